import { mkdirSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Clock } from "../../../src/core/clock.ts";
import type { CloreError } from "../../../src/core/errors.ts";
import { silentLog } from "../../../src/core/log.ts";
import { startModelRegistry } from "../../../src/emulator/models/registry.ts";
import { standInSentence } from "../../../src/emulator/models/tiny.ts";
import { OllamaClient } from "../../../src/host/ollama/client.ts";
import { ensureModel, type ModelSpec } from "../../../src/host/ollama/ensure.ts";
import { readManifest } from "../../../src/host/ollama/manifest.ts";
import { pullModel } from "../../../src/host/ollama/pull.ts";
import { modelReference } from "../../../src/host/ollama/reference.ts";
import { connect } from "../../../src/ssh/connect.ts";
import type { SshConnection } from "../../../src/ssh/types.ts";
import { startMachine, type TestMachine } from "../../support/machines.ts";
import { startOllama } from "../../support/models.ts";
import { needs } from "../../support/needs.ts";

/** Pauses between tries are ten times as short. */
const hasty: Clock = { now: Date.now, sleep: (ms, signal) => delay(ms / 10, undefined, { signal }) };

async function failure(call: Promise<unknown>): Promise<CloreError> {
  return call.then(
    () => expect.unreachable("it did not fail"),
    (error) => error as CloreError,
  );
}

/** One host for all; an Ollama and a registry for each test, which mostly wait: they run side by side. */
describe.skipIf(needs("ollama"))("a model in a real Ollama on a host", { concurrent: true }, () => {
  let machine: TestMachine;
  let ssh: SshConnection;
  beforeAll(async () => {
    machine = await startMachine();
    ssh = await connect({ ...machine, hostKey: undefined }, { timeoutMs: 10_000 });
  });
  afterAll(async () => {
    await ssh?.close();
    await machine?.close();
  });

  async function stage(options: { diskKb?: number } = {}) {
    const registry = await startModelRegistry();
    const ollama = await startOllama(options);
    const statuses: string[] = [];
    const infos: string[] = [];
    const log = {
      ...silentLog,
      status: (text: string) => void statuses.push(text),
      info: (text: string) => void infos.push(text),
    };
    const reference = modelReference("gemma3:4b", registry.url);
    const never = new AbortController().signal;
    const pace = { log, stallMs: 1500, judgeAfterMs: 2000, clock: hasty };
    return {
      ...{ registry, ollama, statuses, infos, reference },
      client: new OllamaClient(ssh, ollama.port),
      ensure(more: Partial<ModelSpec> = {}) {
        const limits = { minVramShare: undefined, minTokensPerSecond: undefined };
        const spec = { reference, port: ollama.port, maxTimeToReadyMs: 60_000, ...limits, ...more };
        return ensureModel(ssh, spec, { ...pace, signal: never });
      },
      /** Without loading it. */
      pull(limitMs = 60_000, signal = never) {
        const options = { ...pace, signal, limitMs, expectedBytes: registry.modelBytes };
        return pullModel(new OllamaClient(ssh, ollama.port), reference, options);
      },
      async [Symbol.asyncDispose]() {
        await ollama[Symbol.asyncDispose]();
        await registry.close();
      },
    };
  }

  test("is pulled, answers under its tag, and its speed is measured; a second time nothing is loaded", async () => {
    await using s = await stage();
    const ready = await s.ensure();
    expect(ready).toMatchObject({ digest: s.registry.digestOf("gemma3:4b"), vramShare: 0 });
    expect(ready.firstAnswer).toBe(standInSentence);
    expect(ready.tokensPerSecond).toBeGreaterThan(1);
    expect(s.statuses).toContainEqual(expect.stringMatching(/^gemma3:4b: \d+ % of 0\.4 MB/));
    expect(await s.ollama.api("GET", "/api/tags")).toMatchObject({ models: [{ name: "gemma3:4b" }] });

    const before = s.registry.dataRequests.length;
    s.infos.length = 0;
    await s.ensure({ knownDigest: ready.digest });
    expect(s.infos).toEqual([]);
    expect(s.registry.dataRequests.length).toBe(before);
  });

  test("what the registry tells before the pull is what is there after it", async () => {
    await using s = await stage();
    const told = await readManifest(ssh, s.reference, { timeoutMs: 5000 });
    expect(told).toEqual({ digest: s.registry.digestOf("gemma3:4b"), sizeBytes: expect.any(Number) });
    const ready = await s.ensure();
    expect(ready).toMatchObject(told!);
  });

  test("a pull that stands still is begun again and ends", async () => {
    await using s = await stage();
    s.registry.order({ name: "stalled", afterBytes: 200_000, times: 1 });
    await s.pull();
    expect(s.infos).toContainEqual(expect.stringContaining("no progress for 2 s at 0.2 MB: pulling again"));
    expect(s.registry.dataRequests.length).toBe(2);
  });

  test("one that stands still for ever is given up, and says so", async () => {
    await using s = await stage();
    s.registry.order({ name: "stalled", afterBytes: 0 });
    const error = await failure(s.pull());
    expect(error.code).toBe("model.stalled");
    expect(error.hint).toContain("finished parts are kept");
  });

  test("a pull that is cut goes on where it stopped", async () => {
    await using s = await stage();
    s.registry.order({ name: "cut", afterBytes: 200_000, times: 1 });
    await s.pull();
    expect(s.registry.dataRequests.map(({ from }) => from)).toEqual([0, 200_000]);
  });

  test("an interrupted pull goes on after a restart of Ollama, and only the rest is loaded", async () => {
    await using s = await stage();
    s.registry.order({ name: "stalled", afterBytes: 300_000, times: 1 });
    const stop = new AbortController();
    const pulling = failure(s.pull(60_000, stop.signal));
    await expect.poll(() => s.statuses.some((line) => line.includes("71 %")), { timeout: 5000 }).toBe(true);
    stop.abort(new Error("Ctrl-C"));
    expect((await pulling).message).toBe("Ctrl-C");
    await delay(300); // Ollama writes down how far it came
    await s.ollama.kill();
    await s.ollama.start();
    await s.pull();
    expect(s.registry.dataRequests.at(-1)?.from).toBe(300_000);
  });

  test("a line too slow for maxTimeToReady is told early", async () => {
    await using s = await stage();
    s.registry.order({ name: "slow", bytesPerSecond: 20_000 });
    const start = performance.now();
    const error = await failure(s.pull(10_000));
    expect(error.code).toBe("model.too-slow-line");
    expect(error.seen).toMatch(/of 0\.4 MB at 0\.\d Mbps, \d+ s left, \d s allowed/);
    expect(performance.now() - start).toBeLessThan(8000);
  });

  test("altered data is loaded once more", async () => {
    await using s = await stage();
    s.registry.order({ name: "corrupt", times: 1 });
    await s.pull();
    expect(s.registry.dataRequests.length).toBe(2);
  });

  test("data that is altered twice is an error, and no model is left", async () => {
    await using s = await stage();
    s.registry.order({ name: "corrupt" });
    expect((await failure(s.pull())).code).toBe("model.corrupt");
    expect(await s.ollama.api("GET", "/api/tags")).toEqual({ models: [] });
  });

  test.skipIf(needs("root"))(
    "a disk that becomes full in the middle of a pull is told as what it is",
    async () => {
      await using s = await stage({ diskKb: 300 });
      const error = await failure(s.pull());
      expect(error).toMatchObject({
        code: "model.no-space",
        message: "the host's disk became full while gemma3:4b was pulled",
        seen: expect.stringContaining("no space left on device"),
      });
    },
  );

  test("a digest that the registry has not is refused before anything is loaded", async () => {
    await using s = await stage();
    const error = await failure(s.ensure({ digest: `sha256:${"0".repeat(64)}` }));
    expect(error.code).toBe("model.wrong-digest");
    expect(s.registry.dataRequests).toEqual([]);
  });

  test("a tag that the registry has not is refused, with the nearest", async () => {
    await using s = await stage();
    const reference = modelReference("qwen3.5:7b", s.registry.url);
    const error = await failure(s.ensure({ reference, catalog: { nearest: ["qwen3.5:9b", "qwen2.5:7b"] } }));
    expect(error).toMatchObject({ code: "model.unknown-tag", hint: "nearest: qwen3.5:9b, qwen2.5:7b" });
  });

  test("one that runs on the CPU where the GPU was asked for, or is too slow, is an error that says so", async () => {
    await using s = await stage();
    const spilled = await failure(s.ensure({ minVramShare: 1 }));
    expect(spilled.code).toBe("model.spilled");
    expect(spilled.message).toContain("0 % of gemma3:4b");
    const slow = await failure(s.ensure({ minTokensPerSecond: 1e9 }));
    expect(slow.code).toBe("model.too-slow");
    expect(slow.message).toMatch(/makes [\d.]+ tok\/s here/);
  });

  test("a changed one is pulled again, where it is not what was recorded", async () => {
    await using s = await stage();
    const first = await s.ensure();
    s.registry.revise("gemma3:4b");
    const second = await s.ensure({ digest: s.registry.digestOf("gemma3:4b"), knownDigest: first.digest });
    expect(second.digest).not.toBe(first.digest);
  });

  test("two at once share the server, and each is measured alone", async () => {
    await using s = await stage();
    const [small, large] = await Promise.all([
      s.ensure(),
      s.ensure({ reference: modelReference("gemma3:12b", s.registry.url) }),
    ]);
    expect(small.digest).toBe(s.registry.digestOf("gemma3:4b"));
    expect(large.digest).toBe(s.registry.digestOf("gemma3:12b"));
  });

  test("is removed; removed twice is success", async () => {
    await using s = await stage();
    await s.ensure();
    const { client } = s;
    await client.remove("gemma3:4b");
    await client.remove("gemma3:4b");
    expect(await client.installed()).toEqual([]);
  });

  test("is copied and removed also where Ollama stumbles over a manifest that goes at that moment", async () => {
    await using s = await stage();
    await s.pull();
    const going = join(s.ollama.home, "models/manifests/registry.ollama.ai/library/other/latest");
    mkdirSync(dirname(going), { recursive: true });
    const stumble = async (change: Promise<void>) => {
      symlinkSync("nowhere", going);
      await delay(300);
      rmSync(going);
      await change;
    };
    await stumble(delay(10).then(() => s.client.copy(s.reference.pullName, "gemma3:4b")));
    await stumble(delay(10).then(() => s.client.remove(s.reference.pullName)));
    expect(await s.client.installed()).toMatchObject([{ tag: "gemma3:4b" }]);
  });

  test("a server that does not answer is told from one that refuses", async () => {
    await using s = await stage();
    await s.ollama.kill();
    const error = await failure(s.client.installed());
    expect(error.code).toBe("ollama.not-answering");
    expect(error.retry).toBe("later");
  });
});
