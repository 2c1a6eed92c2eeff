import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { variantFor } from "../../src/emulator/machines/order-image.ts";
import { startEmulator } from "../../src/emulator/server.ts";
import { needs } from "../support/needs.ts";
import { Renter, standing } from "./support.ts";

test.each([
  { image: "ollama/ollama", kind: "ollama" },
  { image: "ollama/ollama:0.17.4", kind: "ollama" },
  { image: `docker.io/ollama/ollama@sha256:${"a".repeat(64)}`, kind: "ollama" },
  { image: "ollama/ollama-tools", kind: "plain" },
  { image: "me/ollama/ollama", kind: "plain" },
  { image: "cloreai/jupyter:ubuntu24.04-v2", kind: "plain" },
])("behind $image stands a container of kind $kind", ({ image, kind }) => {
  expect(variantFor(image)).toBe(kind);
});

test.each([
  { image: "ollama/ollama:0.17.4", autossh: undefined, comesUp: 0 },
  { image: "ollama/ollama:0.17.4", autossh: true, comesUp: 1 },
  { image: "vllm/vllm-openai:v0.17.1", autossh: false, comesUp: 0 },
  { image: "vllm/vllm-openai:v0.17.1", autossh: true, comesUp: 1 },
  { image: "me/with-sshd:1", autossh: undefined, comesUp: 1 },
])(
  "$image with autossh_entrypoint $autossh: mon_container is $comesUp",
  async ({ image, autossh, comesUp }) => {
    const { renter, clock } = await standing();
    await renter.rent(100, { image, autossh_entrypoint: autossh });
    clock.advance(60);
    const [order] = await renter.orders();
    expect(order).toMatchObject({ image, online: true, mon_container: comesUp });
    await renter.emulator.close();
  },
);

describe.skipIf(needs("docker", "ollama"))("an order with the image ollama/ollama, in a container", () => {
  test("is Ollama with sshd beside it where autossh_entrypoint is set, and nothing at all where it is not", {
    timeout: 300_000,
  }, async () => {
    const problems: string[] = [];
    await using emulator = await startEmulator({
      machines: "docker",
      speed: 20,
      marketSize: 0,
      market: [{ id: 100 }, { id: 101 }],
      onProgress: (line) => problems.push(line),
    });
    const renter = new Renter(emulator);
    renter.pace = () => new Promise((resolve) => setTimeout(resolve, 300)); // 5 s of the service's
    const image = "ollama/ollama:0.17.4";
    const env = { OLLAMA_HOST: "127.0.0.1:11500" };
    await renter.rent(100, { image, env, autossh_entrypoint: true });
    await renter.rent(101, { image });
    await expect
      .poll(async () => (await renter.orders()).find(({ si }) => si === 100)?.mon_container, {
        timeout: 200_000,
      })
      .toBe(1);
    const machine = emulator.active().find(({ serverId }) => serverId === 100)!.machine!;
    const inside = (script: string) =>
      execFileSync("docker", ["exec", machine, "/bin/bash", "-c", script], { encoding: "utf8" });
    expect(inside("tr '\\0' ' ' < /proc/1/cmdline")).toBe(
      "/bin/bash /etc/order_entrypoint.sh /bin/ollama serve ",
    );
    await expect
      .poll(() => inside("OLLAMA_HOST=127.0.0.1:11500 ollama --version; true"))
      .toMatch(/^ollama version is 0\.17\.4$/m);
    // As the image itself: what is missing there must not be taken for granted.
    expect(inside("command -v curl python3 xz; true")).toBe("");
    const dead = (await renter.orders()).find(({ si }) => si === 101);
    expect(dead).toMatchObject({ mon_container: 0, online: true });
    expect(problems.join("\n")).toMatch(/starts no sshd, and the order has no autossh_entrypoint/);
    expect(emulator.active().find(({ serverId }) => serverId === 101)?.machine).toBeUndefined();
  });
});
