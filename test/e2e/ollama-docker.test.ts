import { execFileSync } from "node:child_process";
import { networkInterfaces } from "node:os";
import { dirname } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cacheDirectory } from "../../src/core/state-directory.ts";
import { ensureMachineImage, fromContainers } from "../../src/emulator/machines/image.ts";
import { type ModelRegistry, startModelRegistry } from "../../src/emulator/models/registry.ts";
import { standInSentence } from "../../src/emulator/models/tiny.ts";
import type { Properties } from "../../src/provider/rpc/values.ts";
import { Engine } from "../support/engine.ts";
import { needs } from "../support/needs.ts";
import { freePort, type Sshd, startSshd } from "../support/sshd.ts";

const name = `clore-test-ollama-${process.pid}`;
const docker = (...args: string[]) => execFileSync("docker", args, { encoding: "utf8", stdio: "pipe" });

/** This machine as an existing host with Docker. The image is laid out as ollama/ollama is: entrypoint, folder, port. */
describe.skipIf(needs("docker", "sshd", "ollama"))("a model in a container", { timeout: 120_000 }, () => {
  let sshd: Sshd;
  let engine: Engine;
  let registry: ModelRegistry;
  let port: number;
  let connection: Properties;
  let service: { id: string; inputs: Properties; values: Properties };
  let model: { id: string; inputs: Properties; values: Properties };

  beforeAll(async () => {
    docker("tag", await ensureMachineImage("ollama"), name);
    port = await freePort();
    const bridge = await fromContainers();
    registry = await startModelRegistry({ host: ["127.0.0.1", ...(bridge.listen ? [bridge.listen] : [])] });
    sshd = await startSshd();
    engine = await Engine.start({ env: { XDG_CACHE_HOME: dirname(cacheDirectory(process.env)) } });
    connection = { ...sshd.target, hostKey: sshd.hostKey };
    service = await make("Service", {
      connection,
      name,
      mode: "docker",
      container: { image: `${name}:latest`, volumes: [{ source: name, target: "/root/.ollama" }] },
      env: { OLLAMA_HOST: `0.0.0.0:${port}`, OLLAMA_NOPRUNE: "1" },
      ports: [port],
      health: { http: { port, path: "/api/version" }, timeoutSeconds: 60 },
    });
    model = await make("Model", {
      connection,
      tag: "qwen2.5:7b",
      port,
      registry: `http://${bridge.host}:${registry.port}`,
      minVramShare: 0,
      minTokensPerSecond: 0,
    });
  });
  afterAll(async () => {
    await engine?.[Symbol.asyncDispose]();
    await sshd?.[Symbol.asyncDispose]();
    await registry?.close();
    for (const args of [
      ["rm", "-f", "-v", name],
      ["volume", "rm", "-f", name],
      ["rmi", "-f", name],
    ]) {
      try {
        docker(...args);
      } catch {} // it never came to be
    }
  });

  async function make(type: string, wanted: Properties) {
    const { values: inputs, failures } = await engine.check(type, wanted);
    expect(failures).toEqual([]);
    return { inputs, ...(await engine.create(type, inputs)) };
  }

  test("is pulled into a volume, and answers", () => {
    expect(service.values).toMatchObject({ runsAs: "docker", status: "running" });
    expect(model.values).toMatchObject({
      model: "qwen2.5:7b",
      digest: registry.digestOf("qwen2.5:7b"),
      firstAnswer: standInSentence,
      status: "ready",
    });
    expect(docker("volume", "ls", "-q")).toContain(name);
  });

  test("is published on loopback only", async () => {
    const others = Object.values(networkInterfaces())
      .flatMap((list) => list ?? [])
      .filter(({ internal, family }) => !internal && family === "IPv4");
    for (const { address } of others)
      await expect(fetch(`http://${address}:${port}/api/version`)).rejects.toThrow();
    expect((await fetch(`http://127.0.0.1:${port}/api/version`)).status).toBe(200);
  });

  test("outlives its container, which is seen to be gone and made again", async () => {
    docker("rm", "-f", name);
    expect(await engine.read("Service", service.id, service.values, service.inputs)).toBeUndefined();
    const seen = await engine.read("Model", model.id, model.values, model.inputs);
    expect(seen?.values.status).toBe("not-answering");
    const loads = registry.dataRequests.length;
    service = { inputs: service.inputs, ...(await engine.create("Service", service.inputs)) };
    const again = await engine.update("Model", model.id, seen!.values, model.inputs);
    expect(again.values).toMatchObject({ status: "ready", digest: model.values.digest });
    expect(registry.dataRequests.length).toBe(loads);
  });

  test("is removed, and the container with it", async () => {
    await engine.delete("Model", model.id, model.values);
    await engine.delete("Service", service.id, service.values);
    expect(docker("ps", "-aq", "--filter", `name=${name}`)).toBe("");
  });
});
