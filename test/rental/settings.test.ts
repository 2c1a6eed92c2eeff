import { expect, test } from "vitest";
import { server } from "../../src/provider/server.ts";
import type { ServerInputs } from "../../src/provider/server-inputs.ts";
import { orderSettings } from "../../src/rental/settings.ts";
import { callOf, ground, urnOf, wanted } from "./plugin.ts";

const urn = urnOf("Server", "gpu");
const before: Partial<ServerInputs> = { env: { A: "1", B: "2" }, ports: { "8080": "http", "9000": "tcp" } };

/** The first run's order stands, and its state was never saved. */
test.each<{ name: string; after: Partial<ServerInputs>; isKept: boolean }>([
  {
    name: "the same, written in another order",
    after: { env: { B: "2", A: "1" }, ports: { "9000": "tcp", "8080": "http" } },
    isKept: true,
  },
  { name: "another environment", after: { ...before, env: { A: "1" } }, isKept: false },
  { name: "another command", after: { ...before, command: "true" }, isKept: false },
  { name: "other ports", after: { ...before, ports: { "8080": "http" } }, isKept: false },
  { name: "sshd from the platform", after: { ...before, autosshEntrypoint: true }, isKept: false },
])(
  "what was left is gone on with only if it was made as the program asks by now: $name",
  async ({ after, isKept }) => {
    await using on = await ground();
    const lost = await server.create({ ...wanted(), ...before }, callOf(on.plugin(), urn));
    const made = await server.create({ ...wanted(), ...after }, callOf(on.plugin(), urn));
    expect(on.live()).toEqual([made.state.orderId]);
    expect(made.state.orderId === lost.state.orderId).toBe(isKept);
  },
);

test("nothing of the settings can be read in what the ledger keeps of them", () => {
  const settings = orderSettings({ autosshEntrypoint: false, ports: { 22: "tcp" }, env: { WHO: "me" } });
  expect(settings).toMatch(/^[0-9a-f]{16}$/);
});
