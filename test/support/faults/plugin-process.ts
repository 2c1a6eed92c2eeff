import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import * as grpc from "@grpc/grpc-js";
import {
  emptyProto,
  engineProto,
  engineRpc,
  providerProto,
  providerRpc,
} from "../../../src/provider/rpc/proto.ts";
import { marshal } from "../../../src/provider/rpc/values.ts";
import { compileCache } from "../compile-cache.ts";
import { CallFailed, pluginPath } from "../engine.ts";

/** The engine's process is gone: nobody records what the plugin answers. */
export class EngineKilled extends Error {}

/**
 * One real plugin process with a parent of its own, which stands for the engine's process: when that is killed the
 * plugin sees what it sees when an engine dies. What the engine knows lives in the test.
 */
export class PluginProcess {
  /** What the user would see: "resource: text"; without status lines and debugging. */
  readonly said: string[] = [];
  /** Its last words on stderr. */
  readonly stderr: string[] = [];
  /** Resolves when the process is gone, whoever its parent was. */
  readonly gone: Promise<void>;
  engineDead = false;
  #pid = 0;
  readonly #parent: ChildProcessWithoutNullStreams;
  #client: InstanceType<typeof providerRpc.ResourceProviderClient> | undefined;
  readonly #logs: grpc.Server;
  readonly #killed = Promise.withResolvers<never>();

  private constructor(parent: ChildProcessWithoutNullStreams, logs: grpc.Server, gone: Promise<void>) {
    this.#parent = parent;
    this.#logs = logs;
    this.gone = gone;
    this.#killed.promise.catch(() => {});
  }

  static async start(env: Record<string, string>, config: Record<string, string>): Promise<PluginProcess> {
    const logs = new grpc.Server();
    let plugin: PluginProcess | undefined;
    logs.addService(engineRpc.EngineService as unknown as grpc.ServiceDefinition, {
      log: (
        call: {
          request: { getUrn(): string; getMessage(): string; getEphemeral(): boolean; getSeverity(): number };
        },
        done: grpc.sendUnaryData<unknown>,
      ) => {
        const { request } = call;
        if (!request.getEphemeral() && request.getSeverity() !== engineProto.LogSeverity.DEBUG)
          plugin?.said.push(`${request.getUrn().split("::").at(-1)}: ${request.getMessage()}`);
        done(null, new emptyProto.Empty());
      },
    });
    const logPort = await new Promise<number>((resolve, reject) =>
      logs.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    );
    // It ends with the test's process too: its input closes then.
    const script = `"$0" "$1" </dev/null & echo "$!"; exec >&- 2>&-; read -r _`;
    const parent = spawn("/bin/sh", ["-c", script, pluginPath, `127.0.0.1:${logPort}`], {
      env: { ...compileCache, ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    parent.stdin.on("error", () => {}); // it was killed
    // Only the plugin holds the pipe: it closes when that is gone.
    const gone = new Promise<void>((resolve) => parent.stdout.once("close", () => resolve()));
    plugin = new PluginProcess(parent, logs, gone);
    createInterface(parent.stderr).on("line", (line) => void plugin.stderr.push(line));
    const lines = createInterface(parent.stdout)[Symbol.asyncIterator]();
    plugin.#pid = Number((await lines.next()).value);
    const port = Number((await lines.next()).value);
    void (async () => {
      while (!(await lines.next()).done); // keeps the pipe flowing, so that its end shows
    })();
    if (!port) throw new Error(`the plugin did not start: ${plugin.stderr.join("\n")}`);
    plugin.#client = new providerRpc.ResourceProviderClient(
      `127.0.0.1:${port}`,
      grpc.credentials.createInsecure(),
    );
    const request = new providerProto.ConfigureRequest();
    request.setArgs(marshal(config, new Set()));
    request.setAcceptsecrets(true);
    await plugin.call("configure", request);
    return plugin;
  }

  get pid(): number {
    return this.#pid;
  }

  /** @throws CallFailed as the plugin answered; EngineKilled when nobody is there to hear it */
  async call<Response>(method: string, request: unknown): Promise<Response> {
    if (this.engineDead) throw new EngineKilled("the engine was killed");
    const client = this.#client!;
    const send = Reflect.get(client, method) as (
      request: unknown,
      done: (error: grpc.ServiceError | null, response: Response) => void,
    ) => void;
    const answered = new Promise<Response>((resolve, reject) =>
      send.call(client, request, (error, response) =>
        error ? reject(new CallFailed(error)) : resolve(response),
      ),
    );
    answered.catch(() => {});
    return Promise.race([answered, this.#killed.promise]);
  }

  async cancel(): Promise<void> {
    await this.call("cancel", new emptyProto.Empty());
  }

  /** SIGKILL of the plugin. */
  killPlugin(): void {
    kill(this.#pid, "SIGKILL");
  }

  /** SIGKILL of the engine: its process and all its connections are gone at once. */
  killEngine(): void {
    this.engineDead = true;
    this.#parent.kill("SIGKILL");
    this.#client?.close();
    this.#logs.forceShutdown();
    this.#killed.reject(new EngineKilled("the engine was killed"));
  }

  /** As at the end of every run: Cancel, then SIGINT. */
  async end(): Promise<void> {
    if (!this.engineDead) {
      await this.cancel().catch(() => {});
      kill(this.#pid, "SIGINT");
      await this.gone;
      this.#parent.stdin.end();
      this.#client?.close();
      this.#logs.forceShutdown();
    }
    await this.gone;
  }

  /** Kilobytes that it holds in memory. */
  get residentKb(): number {
    return residentKb(this.#pid);
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Resident memory of a process, in kilobytes. */
export function residentKb(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1]);
}
