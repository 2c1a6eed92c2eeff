import { describe, expect, test } from "vitest";
import { startEmulator } from "../../src/emulator/server.ts";
import { generateKeyPair } from "../../src/ssh/keypair.ts";
import { Engine } from "../support/engine.ts";
import { needs } from "../support/needs.ts";

const speed = 20;

describe.skipIf(needs("docker"))("a rented host whose disk is full", () => {
  test("is named as such, and the order stays known", { timeout: 120_000 }, async () => {
    await using emulator = await startEmulator({
      machines: "docker",
      speed,
      marketSize: 0,
      market: [{ id: 101 }],
    });
    await using engine = await Engine.start({ emulator, speed });
    await emulator.faults.order("full-disk");
    const sshKey = generateKeyPair("x");
    const server = await engine.create("Server", { sshKey, lease: "1h", minDiskGb: 0 });
    const big = { path: "big", content: "x".repeat(300_000), mode: "0644" };
    const service = {
      name: "web",
      connection: server.values.connection,
      process: { command: ["sleep", "1000"] },
      files: [big],
    };
    const failed: Error = await engine
      .create("Service", (await engine.check("Service", service)).values)
      .then(
        () => expect.unreachable(),
        (error) => error,
      );
    expect(failed.message).toMatch(
      /^host\.disk-full: service web: the host's disk is full\n {2}seen: \d+ kB free, \d+ kB to write\n {2}hint: free space/,
    );
    expect(emulator.active()).toMatchObject([{ orderId: server.values.orderId }]);
    await engine.delete("Server", server.id, server.values);
    expect(emulator.active()).toEqual([]);
  });
});
