import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cacheDirectory } from "../../src/core/state-directory.ts";
import { type ModelRegistry, startModelRegistry } from "../../src/emulator/models/registry.ts";
import { type Emulator, startEmulator } from "../../src/emulator/server.ts";
import { generateKeyPair } from "../../src/ssh/keypair.ts";
import { cheapServers } from "../rental/support.ts";
import { CallFailed, Engine, expectNoOrders } from "../support/engine.ts";
import { needs } from "../support/needs.ts";
import { freePort } from "../support/sshd.ts";

const speed = 20;
const { publicKey, privateKey } = generateKeyPair("x");
const sshKey = { publicKey, privateKey };

describe("a rented server on trial", { timeout: 60_000 }, () => {
  let emulator: Emulator;
  let engine: Engine;
  let registry: ModelRegistry;

  beforeAll(async () => {
    registry = await startModelRegistry();
    emulator = await startEmulator({ machines: "sandbox", speed, marketSize: 0, market: cheapServers(8) });
    const env = { XDG_CACHE_HOME: dirname(cacheDirectory(process.env)) };
    engine = await Engine.start({ emulator, speed, env });
  });
  afterAll(async () => {
    await engine?.[Symbol.asyncDispose]();
    await registry?.close();
    if (emulator) await expectNoOrders(emulator);
    await emulator?.close();
  });

  async function inputsWith(trial: object) {
    const { values, failures } = await engine.check("Server", {
      sshKey,
      lease: "1h",
      trial,
    });
    expect(failures).toEqual([]);
    return values;
  }
  const rentedSince = (before: number) => emulator.ledger().orders.slice(before);
  const crashing = { name: "app", process: { command: ["false"] } };
  const lasting = { name: "app", process: { command: ["sleep", "1000"] } };

  test.skipIf(needs("ollama"))(
    "a host whose line is too slow is given back and remembered, and the next one is kept; nothing is loaded twice",
    async () => {
      const before = emulator.ledger().orders.length;
      const port = await freePort();
      const ollama = {
        name: "ollama",
        process: { command: ["ollama", "serve"] },
        env: { OLLAMA_NOPRUNE: "1" },
        ports: [port],
        health: { http: { port, path: "/api/version" }, timeoutSeconds: 30 },
      };
      const model = {
        ...{ tag: "gemma3:4b", port, registry: registry.url, minVramShare: 0, minTokensPerSecond: 0 },
        maxTimeToReady: "8s",
      };
      registry.order({ name: "slow", bytesPerSecond: 10_000, times: 1 });
      const inputs = await inputsWith({ services: [ollama], models: [model] });
      const server = await engine.create("Server", inputs);

      const [first, second, ...more] = rentedSince(before);
      expect(first?.ended).toBeDefined();
      expect(second).toMatchObject({ serverId: server.values.serverId, ended: undefined });
      expect(more).toEqual([]);
      expect(engine.lines).toContainEqual(
        expect.stringMatching(
          `server ${first?.serverId}: host.too-weak: model.too-slow-line: .*; trying the next offer`,
        ),
      );
      const memory = JSON.parse(readFileSync(join(engine.home, "hosts.json"), "utf8"));
      expect(memory[first!.serverId]).toMatchObject({ reason: expect.stringContaining("too-slow-line") });
      // 10 kB/s is 0.08 Mbps.
      expect(memory[first!.serverId].downMbps).toBeCloseTo(0.08, 1);

      const loaded = registry.dataRequests.length;
      const { connection } = server.values;
      const service = await engine.check("Service", { ...ollama, connection });
      expect((await engine.create("Service", service.values)).values).toMatchObject({ status: "running" });
      const wanted = await engine.check("Model", { ...model, connection });
      expect((await engine.create("Model", wanted.values)).values).toMatchObject({ status: "ready" });
      expect(registry.dataRequests.length).toBe(loaded);
      await engine.delete("Server", server.id, server.values);
    },
  );

  test("what is the program's own fault tries no other host: the order is kept, and goes on once it is mended", async () => {
    const before = emulator.ledger().orders.length;
    const failed = await engine
      .create("Server", await inputsWith({ services: [crashing] }))
      .catch((error: unknown) => error);
    expect((failed as Error).message).toMatch(/^host\.service-crashed: order \d+ on server \d+ exists/);
    const { partial } = failed as CallFailed;
    const inputs = await inputsWith({ services: [lasting] });
    const mended = await engine.update("Server", partial!.id, partial!.values, inputs);
    expect(rentedSince(before)).toMatchObject([{ orderId: mended.values.orderId }]);

    engine.lines.length = 0;
    const longer = await engine.update("Server", partial!.id, mended.values, { ...inputs, lease: "2h" });
    expect(engine.lines.filter((line) => line.includes("runs as"))).toEqual([]);
    await engine.delete("Server", partial!.id, longer.values);
  });

  test("a plugin that is killed in the middle of it: the next run goes on with the same order", async () => {
    const before = emulator.ledger().orders.length;
    const home = mkdtempSync(join(tmpdir(), "clore-trial-"));
    const env = { CLORE_HOME: home };
    try {
      const first = await Engine.start({ emulator, speed, env });
      const health = { command: "false", timeoutSeconds: 60 };
      const creating = first
        .create("Server", await inputsWith({ services: [{ ...lasting, health }] }))
        .catch((error: unknown) => error);
      await first.saw(/runs as a process/);
      first.plugin.kill("SIGKILL");
      expect(await creating).toBeInstanceOf(CallFailed);
      await first[Symbol.asyncDispose]();

      await using second = await Engine.start({ emulator, speed, env });
      const server = await second.create("Server", await inputsWith({ services: [lasting] }));
      expect(rentedSince(before)).toMatchObject([{ orderId: server.values.orderId, ended: undefined }]);
      await second.delete("Server", server.id, server.values);
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  });

  test("a wrong tag in it is refused before anything is rented, by its path", async () => {
    const { failures } = await engine.check("Server", {
      sshKey,
      lease: "1h",
      trial: { models: [{ tag: "qwen3.5:7b" }], services: [{ name: "app" }] },
    });
    expect(failures.map((line) => line.split(": ")[0])).toEqual([
      "trial.services[0].process",
      "trial.models[0].tag",
    ]);
  });
});
