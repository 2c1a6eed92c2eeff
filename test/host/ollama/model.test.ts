import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { CloreError } from "../../../src/core/errors.ts";
import { silentLog } from "../../../src/core/log.ts";
import { type ModelRegistry, startModelRegistry } from "../../../src/emulator/models/registry.ts";
import { standInSentence } from "../../../src/emulator/models/tiny.ts";
import { OllamaClient } from "../../../src/host/ollama/client.ts";
import { ensureModel, type ModelSpec } from "../../../src/host/ollama/ensure.ts";
import { readManifest } from "../../../src/host/ollama/manifest.ts";
import { modelReference } from "../../../src/host/ollama/reference.ts";
import { connect } from "../../../src/ssh/connect.ts";
import type { SshConnection } from "../../../src/ssh/types.ts";
import { startMachine, type TestMachine } from "../../support/machines.ts";
import { startOllama, type TestOllama } from "../../support/models.ts";
import { needs } from "../../support/needs.ts";

describe.skipIf(needs("ollama"))("a model in a real Ollama on a host", () => {
  let machine: TestMachine;
  let ssh: SshConnection;
  let ollama: TestOllama;
  let registry: ModelRegistry;
  let spec: ModelSpec;

  beforeAll(async () => {
    machine = await startMachine();
    ssh = await connect({ ...machine, hostKey: undefined }, { timeoutMs: 10_000 });
  });
  afterAll(async () => {
    await ssh?.close();
    await machine?.close();
  });
  beforeEach(async () => {
    [ollama, registry] = await Promise.all([startOllama(), startModelRegistry()]);
    spec = {
      reference: modelReference("gemma3:4b", registry.url),
      port: ollama.port,
      maxTimeToReadyMs: 60_000,
      minVramShare: undefined,
      minTokensPerSecond: undefined,
    };
  });
  afterEach(async () => {
    await ollama[Symbol.asyncDispose]();
    await registry.close();
  });

  const statuses: string[] = [];
  const infos: string[] = [];
  const log = {
    ...silentLog,
    status: (text: string) => void statuses.push(text),
    info: (text: string) => void infos.push(text),
  };
  function ensure(more: Partial<ModelSpec> = {}, signal = new AbortController().signal) {
    statuses.length = infos.length = 0;
    return ensureModel(ssh, { ...spec, ...more }, { log, signal, stallMs: 1500, judgeAfterMs: 2000 });
  }
  async function failure(call: Promise<unknown>): Promise<CloreError> {
    return call.then(
      () => expect.unreachable("it did not fail"),
      (error) => error as CloreError,
    );
  }

  test("is pulled, answers under its tag, and its speed is measured; a second time nothing is loaded", async () => {
    const ready = await ensure();
    expect(ready).toMatchObject({ digest: registry.digestOf("gemma3:4b"), vramShare: 0 });
    expect(ready.firstAnswer).toBe(standInSentence);
    expect(ready.tokensPerSecond).toBeGreaterThan(1);
    expect(statuses).toContainEqual(expect.stringMatching(/^gemma3:4b: \d+ % of 0\.4 MB/));
    expect(await ollama.api("GET", "/api/tags")).toMatchObject({ models: [{ name: "gemma3:4b" }] });

    const before = registry.dataRequests.length;
    await ensure({ knownDigest: ready.digest });
    expect(registry.dataRequests.length).toBe(before);
  });

  test("what the registry tells before the pull is what is there after it", async () => {
    const told = await readManifest(ssh, spec.reference, { timeoutMs: 5000 });
    expect(told).toEqual({ digest: registry.digestOf("gemma3:4b"), sizeBytes: expect.any(Number) });
    const ready = await ensure();
    expect(ready).toMatchObject(told!);
  });

  test("a pull that stands still is begun again and ends", async () => {
    registry.order({ name: "stalled", afterBytes: 200_000, times: 1 });
    await ensure();
    expect(infos).toContainEqual(expect.stringContaining("no progress for 2 s at 0.2 MB: pulling again"));
    expect(registry.dataRequests.length).toBe(2);
  });

  test("one that stands still for ever is given up, and says so", async () => {
    registry.order({ name: "stalled", afterBytes: 0 });
    const error = await failure(ensure());
    expect(error.code).toBe("model.stalled");
    expect(error.hint).toContain("finished parts are kept");
  });

  test("a pull that is cut goes on where it stopped", async () => {
    registry.order({ name: "cut", afterBytes: 200_000, times: 1 });
    await ensure();
    expect(registry.dataRequests.map(({ from }) => from)).toEqual([0, 200_000]);
  });

  test("an interrupted pull goes on after a restart of Ollama, and only the rest is loaded", async () => {
    registry.order({ name: "stalled", afterBytes: 300_000, times: 1 });
    const stop = new AbortController();
    const pulling = failure(ensure({}, stop.signal));
    await expect.poll(() => statuses.some((line) => line.includes("71 %")), { timeout: 5000 }).toBe(true);
    stop.abort(new Error("Ctrl-C"));
    expect((await pulling).message).toBe("Ctrl-C");
    await new Promise((resolve) => setTimeout(resolve, 200)); // Ollama writes down how far it came
    await ollama.kill();
    await ollama.start();
    await ensure();
    expect(registry.dataRequests.at(-1)?.from).toBe(300_000);
  });

  test("a line too slow for maxTimeToReady is told early", async () => {
    registry.order({ name: "slow", bytesPerSecond: 20_000 });
    const start = performance.now();
    const error = await failure(ensure({ maxTimeToReadyMs: 10_000 }));
    expect(error.code).toBe("model.too-slow-line");
    expect(error.seen).toMatch(/of 0\.4 MB at 0\.\d Mbps, \d+ s left, \d s allowed/);
    expect(performance.now() - start).toBeLessThan(8000);
  });

  test("altered data is loaded once more", async () => {
    registry.order({ name: "corrupt", times: 1 });
    await ensure();
    expect(registry.dataRequests.length).toBe(2);
  });

  test("data that is altered twice is an error, and no model is left", async () => {
    registry.order({ name: "corrupt" });
    expect((await failure(ensure())).code).toBe("model.corrupt");
    expect(await ollama.api("GET", "/api/tags")).toEqual({ models: [] });
  });

  test("a digest that the registry has not is refused before anything is loaded", async () => {
    const error = await failure(ensure({ digest: `sha256:${"0".repeat(64)}` }));
    expect(error.code).toBe("model.wrong-digest");
    expect(registry.dataRequests).toEqual([]);
  });

  test("a tag that the registry has not is refused, with the nearest", async () => {
    const reference = modelReference("qwen3.5:7b", registry.url);
    const error = await failure(ensure({ reference, catalog: { nearest: ["qwen3.5:9b", "qwen2.5:7b"] } }));
    expect(error).toMatchObject({ code: "model.unknown-tag", hint: "nearest: qwen3.5:9b, qwen2.5:7b" });
  });

  test("one that runs on the CPU where the GPU was asked for is an error", async () => {
    const error = await failure(ensure({ minVramShare: 1 }));
    expect(error.code).toBe("model.spilled");
    expect(error.message).toContain("0 % of gemma3:4b");
  });

  test("one that is slower than asked for is an error that says how fast it is", async () => {
    const error = await failure(ensure({ minTokensPerSecond: 1e9 }));
    expect(error.code).toBe("model.too-slow");
    expect(error.message).toMatch(/makes [\d.]+ tok\/s here/);
  });

  test("a changed one is pulled again, where it is not what was recorded", async () => {
    const first = await ensure();
    registry.revise("gemma3:4b");
    const second = await ensure({ digest: registry.digestOf("gemma3:4b"), knownDigest: first.digest });
    expect(second.digest).not.toBe(first.digest);
  });

  test("two at once share the server, and each is measured alone", async () => {
    const [small, large] = await Promise.all([
      ensure(),
      ensure({ reference: modelReference("gemma3:12b", registry.url) }),
    ]);
    expect(small.digest).toBe(registry.digestOf("gemma3:4b"));
    expect(large.digest).toBe(registry.digestOf("gemma3:12b"));
  });

  test("is removed; removed twice is success", async () => {
    await ensure();
    const client = new OllamaClient(ssh, ollama.port);
    await client.remove("gemma3:4b");
    await client.remove("gemma3:4b");
    expect(await client.installed()).toEqual([]);
  });

  test("a server that does not answer is told from one that refuses", async () => {
    await ollama.kill();
    const error = await failure(new OllamaClient(ssh, ollama.port).installed());
    expect(error.code).toBe("ollama.not-answering");
    expect(error.retry).toBe("later");
  });
});
