import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { InitFailure } from "../../src/provider/rpc/failures.ts";
import { server } from "../../src/provider/server.ts";
import type { ServerState } from "../../src/provider/server-state.ts";
import { callOf, ground, urnOf, wanted } from "./plugin.ts";

const urn = urnOf("Server", "gpu");

test("an order that was seen and cannot be written down is in the state, and the next update goes on with it", async () => {
  await using on = await ground();
  const { ledger, ...plugin } = on.plugin();
  const conclude = ledger.conclude.bind(ledger);
  ledger.conclude = (intentId, outcome) => {
    if (outcome.outcome === "order") throw new Error("ENOSPC: no space left on device, write");
    conclude(intentId, outcome);
  };
  const failure: unknown = await server
    .create(wanted(), callOf({ ...plugin, ledger }, urn))
    .catch((error: unknown) => error);
  if (!(failure instanceof InitFailure)) throw failure;
  expect(failure.message).toContain("ENOSPC");
  const state = failure.state as ServerState;
  expect(on.live()).toEqual([state.orderId]);
  const going = await server.update(failure.id, wanted(), state, callOf(on.plugin(), urn));
  expect(on.live()).toEqual([going.orderId]);
});

test("a bad host is given back although it cannot be remembered", async () => {
  await using on = await ground();
  await on.clore.faults.order("wrong-gpu");
  const plugin = on.plugin();
  mkdirSync(join(dirname(plugin.ledger.path), `hosts.json.${process.pid}`), { recursive: true });
  const { state } = await server.create({ ...wanted(), gpu: "RTX 3090" }, callOf(plugin, urn));
  expect(on.live()).toEqual([state.orderId]);
  expect(on.clore.ledger().orders).toHaveLength(2);
});
