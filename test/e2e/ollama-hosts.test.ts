import { once } from "node:events";
import { connect as dial } from "node:net";
import { networkInterfaces } from "node:os";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cacheDirectory } from "../../src/core/state-directory.ts";
import { fromContainers } from "../../src/emulator/machines/image.ts";
import { type ModelRegistry, startModelRegistry } from "../../src/emulator/models/registry.ts";
import { standInSentence } from "../../src/emulator/models/tiny.ts";
import type { Properties } from "../../src/provider/rpc/values.ts";
import { connect } from "../../src/ssh/connect.ts";
import type { SshConnection } from "../../src/ssh/types.ts";
import { CallFailed, Engine } from "../support/engine.ts";
import { startMachine, type TestMachine, type TestMachineOptions } from "../support/machines.ts";
import { needs } from "../support/needs.ts";
import { freePort } from "../support/sshd.ts";

/** The kinds of host, each with a GPU that it only claims: what is checked is that a real Ollama serves there. */
const hosts: { name: string; machine: TestMachineOptions; skip: boolean }[] = [
  { name: "a sandbox", machine: { kind: "sandbox" }, skip: needs("ollama") },
  {
    name: "an unprivileged container",
    machine: { kind: "docker", variant: "plain" },
    skip: needs("ollama", "docker"),
  },
  {
    name: "a container with supervisord",
    machine: { kind: "docker", variant: "supervisord" },
    skip: needs("ollama", "docker"),
  },
];

for (const { name, machine: options, skip } of hosts) {
  describe.skipIf(skip)(`models on ${name}, installed natively`, { timeout: 120_000 }, () => {
    let machine: TestMachine;
    let ssh: SshConnection;
    let engine: Engine;
    let registry: ModelRegistry;
    let port: number;
    let from: string;
    let service: { id: string; inputs: Properties; values: Properties };
    let model: { id: string; inputs: Properties; values: Properties };

    beforeAll(async () => {
      const inContainer = options.kind === "docker";
      port = inContainer ? 11434 : await freePort();
      const bridge = inContainer ? await fromContainers() : { host: "127.0.0.1", listen: undefined };
      registry = await startModelRegistry({ host: ["127.0.0.1", ...(bridge.listen ? [bridge.listen] : [])] });
      from = `http://${bridge.host}:${registry.port}`;
      machine = await startMachine({ ...options, ports: [port] });
      ssh = await connect({ ...machine, hostKey: undefined }, { timeoutMs: 10_000 });
      engine = await startEngine();
    });
    afterAll(async () => {
      await engine?.[Symbol.asyncDispose]();
      await ssh?.close();
      await machine?.close();
      await registry?.close();
    });

    const connection = () => {
      const { address, user, privateKey } = machine;
      return { address, port: machine.port, user, privateKey, hostKey: ssh.hostKey };
    };
    const serviceInputs = () => ({
      connection: connection(),
      name: "ollama",
      mode: "native",
      process: { command: ["ollama", "serve"] },
      env: { OLLAMA_HOST: `0.0.0.0:${port}`, OLLAMA_NOPRUNE: "1" },
      ports: [port],
      health: { http: { port, path: "/api/version" }, timeoutSeconds: 30 },
    });
    const modelInputs = (more: Properties = {}) => ({
      connection: connection(),
      tag: "gemma3:4b",
      port,
      registry: from,
      minVramShare: 0,
      minTokensPerSecond: 0,
      ...more,
    });
    async function make(type: string, wanted: Properties) {
      const { values: inputs, failures } = await engine.check(type, wanted);
      expect(failures).toEqual([]);
      return { inputs, ...(await engine.create(type, inputs)) };
    }

    test("Ollama is installed and supervised, a model pulled, and it answers", async () => {
      service = await make("Service", serviceInputs());
      expect(service.values).toMatchObject({ runsAs: "native", status: "running" });
      model = await make("Model", modelInputs());
      expect(model.values).toMatchObject({
        model: "gemma3:4b",
        digest: registry.digestOf("gemma3:4b"),
        firstAnswer: standInSentence,
        status: "ready",
      });
      expect(model.values.tokensPerSecond).toBeGreaterThan(1);
      const text = await ssh.exec("ls -A; ls .pulumi-clore", { timeoutMs: 10_000 });
      expect(text.stdout).toContain("ollama");
      expect(text.stdout.split("\n")).not.toContain(".ollama");
    });

    test("nobody reaches Ollama from outside, though it was told to listen everywhere", async () => {
      const outside =
        options.kind === "docker"
          ? [{ host: "127.0.0.1", port: machine.portOf(port) }]
          : Object.values(networkInterfaces())
              .flatMap((list) => list ?? [])
              .filter(({ internal, family }) => !internal && family === "IPv4")
              .map(({ address }) => ({ host: address, port }));
      for (const address of outside) expect(await answers(address)).toBe(false);
      const inside = await ssh.dial({ host: "127.0.0.1", port });
      inside.end("GET /api/version HTTP/1.0\r\n\r\n");
      expect(String((await once(inside, "data"))[0])).toContain("200 OK");
    });

    test("a second look sees no difference", async () => {
      const seen = await engine.read("Model", model.id, model.values, model.inputs);
      expect(seen?.values).toMatchObject({ status: "ready", digest: model.values.digest });
      expect(await engine.diff("Model", model.id, seen!.values, model.inputs, model.inputs)).toEqual([]);
    });

    test("a server that stands still is seen, and both are mended", async () => {
      await ssh.exec(`kill $(cat .pulumi-clore/services/ollama/run/supervisor.pid)`, { timeoutMs: 10_000 });
      await expect
        .poll(async () => (await engine.read("Model", model.id, model.values, model.inputs))?.values.status, {
          timeout: 20_000,
        })
        .toBe("not-answering");
      const stopped = await engine.read("Service", service.id, service.values, service.inputs);
      expect(stopped?.values.status).not.toBe("running");
      await engine.update("Service", service.id, stopped!.values, service.inputs);
      const again = await engine.update("Model", model.id, model.values, model.inputs);
      expect(again.values).toMatchObject({ status: "ready", digest: model.values.digest });
    });

    test("a model that was deleted is seen, and pulled again", async () => {
      await api(ssh, port, "DELETE", "/api/delete", { model: "gemma3:4b" });
      expect(await engine.read("Model", model.id, model.values, model.inputs)).toBeUndefined();
      model = await make("Model", modelInputs());
    });

    test("another model under its tag is seen, and mended", async () => {
      const other = "gemma3:12b";
      await api(ssh, port, "POST", "/api/pull", {
        model: `${new URL(from).host}/library/${other}`,
        insecure: true,
        stream: false,
      });
      await api(ssh, port, "POST", "/api/copy", {
        source: `${new URL(from).host}/library/${other}`,
        destination: "gemma3:4b",
      });
      const seen = await engine.read("Model", model.id, model.values, model.inputs);
      expect(seen?.values.status).toBe("changed");
      const mended = await engine.update("Model", model.id, seen!.values, model.inputs);
      expect(mended.values).toMatchObject({ status: "ready", digest: registry.digestOf("gemma3:4b") });
    });

    test("a reboot in the middle of a pull: what was begun is recorded, and the next up ends well", async () => {
      await api(ssh, port, "DELETE", "/api/delete", { model: "gemma3:4b" });
      await api(ssh, port, "DELETE", "/api/delete", { model: `${new URL(from).host}/library/gemma3:12b` });
      registry.order({ name: "stalled", afterBytes: 300_000, times: 1 });
      const { values: inputs } = await engine.check("Model", modelInputs());
      engine.lines.length = 0;
      const pulling = engine.create("Model", inputs, { timeout: 6 }).then(
        () => undefined,
        (error: unknown) => error,
      );
      await engine.saw(/71 %/);
      await machine.machine.reboot();
      const failed = await pulling;
      expect(failed).toBeInstanceOf(CallFailed);
      const { partial } = failed as CallFailed;
      expect(partial).toMatchObject({ id: "gemma3:4b", values: { status: "unfinished" } });
      await ssh.close();
      ssh = await connect({ ...machine, hostKey: undefined }, { timeoutMs: 20_000 });

      const stopped = await engine.read("Service", service.id, service.values, service.inputs);
      await engine.update("Service", service.id, stopped!.values, service.inputs);
      const done = await engine.update("Model", partial!.id, partial!.values, inputs);
      expect(done.values).toMatchObject({ status: "ready", digest: registry.digestOf("gemma3:4b") });
      model = { id: partial!.id, inputs, values: done.values };
    });

    test("Ctrl-C in the middle of a pull: what was begun is recorded, and only the rest is loaded later", async () => {
      await engine.delete("Model", model.id, model.values);
      registry.order({ name: "stalled", afterBytes: 300_000, times: 1 });
      const { values: inputs } = await engine.check("Model", modelInputs());
      engine.lines.length = 0;
      const pulling = engine.create("Model", inputs).catch((error: unknown) => error);
      await engine.saw(/71 %/);
      await engine.cancel();
      const { partial } = (await pulling) as CallFailed;
      expect(partial).toMatchObject({ id: "gemma3:4b", values: { status: "unfinished" } });
      await engine[Symbol.asyncDispose](); // a plugin that was cancelled ends
      engine = await startEngine();
      const done = await engine.update("Model", partial!.id, partial!.values, inputs);
      expect(done.values).toMatchObject({ status: "ready" });
      expect(registry.dataRequests.at(-1)?.from).toBe(300_000);
      model = { id: partial!.id, inputs, values: done.values };
    });

    test("is removed with its data", async () => {
      await engine.delete("Model", model.id, model.values);
      expect(await api(ssh, port, "GET", "/api/tags")).toContain('"models":[]');
      const blobs = await ssh.exec("ls .pulumi-clore/ollama/models/blobs", { timeoutMs: 10_000 });
      expect(blobs.stdout).toBe("");
      await engine.delete("Service", service.id, service.values);
      const left = await ssh.exec("ls .pulumi-clore/services", { timeoutMs: 10_000 });
      expect(left.stdout).toBe("");
    });
  });
}

/** The plugin finds this machine's Ollama as it would on a laptop. */
function startEngine(): Promise<Engine> {
  return Engine.start({ env: { XDG_CACHE_HOME: dirname(cacheDirectory(process.env)) } });
}

async function answers(address: { host: string; port: number }): Promise<boolean> {
  const socket = dial(address);
  socket.on("error", () => {});
  socket.on("connect", () => socket.write("GET /api/version HTTP/1.0\r\n\r\n"));
  const data = once(socket, "data").then(
    () => true,
    () => false,
  );
  const closed = once(socket, "close").then(
    () => false,
    () => false,
  );
  const outcome = await Promise.race([data, closed, delay(3000, false)]);
  socket.destroy();
  return outcome;
}

/** Ollama's API from inside the host, past our own client. */
async function api(
  ssh: SshConnection,
  port: number,
  method: string,
  path: string,
  body?: unknown,
): Promise<string> {
  const command = `curl -sS -X ${method} -d @- http://127.0.0.1:${port}${path}`;
  const { stdout, stderr, exitCode } = await ssh.exec(
    method === "GET" ? command.replace(" -d @-", "") : command,
    {
      stdin: body === undefined ? "" : JSON.stringify(body),
      timeoutMs: 60_000,
    },
  );
  if (exitCode !== 0) throw new Error(stderr);
  return stdout;
}
