import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import * as grpc from "@grpc/grpc-js";
import type { Emulator } from "../../src/emulator/server.ts";
import {
  anyProto,
  emptyProto,
  engineRpc,
  providerProto,
  providerRpc,
  statusProto,
} from "../../src/provider/rpc/proto.ts";
import { marshal, type Properties, unmarshal } from "../../src/provider/rpc/values.ts";
import { compileCache } from "./compile-cache.ts";

type Struct = import("google-protobuf/google/protobuf/struct_pb.js").Struct;

/** Properties as they came over the wire: in clear, which of them were wrapped as secrets, and the wire's own form. */
export interface Got {
  values: Properties;
  secrets: ReadonlySet<string>;
  raw: Properties;
}

/** A call that failed. `partial`: what the engine would save of the resource (an init failure). */
export class CallFailed extends Error {
  readonly partial: (Got & { id: string; inputs: Properties }) | undefined;

  constructor(error: grpc.ServiceError) {
    super(error.details);
    this.partial = partialOf(error);
  }
}

export interface ResourceOptions {
  /** Names of inputs that are secrets. */
  secrets?: readonly string[];
  preview?: boolean;
  /** Custom timeout, in seconds. */
  timeout?: number;
}

export interface EngineOptions {
  /** Beside PATH and the emulator's address. */
  env?: Record<string, string>;
  /** `clore:` configuration. */
  config?: Record<string, string>;
  emulator?: Emulator;
  /** As the emulator was started with. */
  speed?: number;
}

/** What the Pulumi engine does with the plugin, without Pulumi: the real process, real gRPC. */
export class Engine implements AsyncDisposable {
  readonly plugin: ChildProcess;
  /** What the plugin logged: "name: text". Status lines are among them. */
  readonly lines: string[] = [];
  /** Where the plugin keeps ledger and gate. */
  readonly home: string;
  readonly #client: InstanceType<typeof providerRpc.ResourceProviderClient>;
  readonly #server: grpc.Server;

  private constructor(
    plugin: ChildProcess,
    home: string,
    port: number,
    server: grpc.Server,
    lines: string[],
  ) {
    this.plugin = plugin;
    this.home = home;
    this.lines = lines;
    this.#server = server;
    this.#client = new providerRpc.ResourceProviderClient(
      `127.0.0.1:${port}`,
      grpc.credentials.createInsecure(),
    );
  }

  /** Starts the plugin and configures it. */
  static async start(options: EngineOptions = {}): Promise<Engine> {
    const lines: string[] = [];
    const server = new grpc.Server();
    server.addService(engineRpc.EngineService as unknown as grpc.ServiceDefinition, {
      log: (
        call: { request: { getUrn(): string; getMessage(): string } },
        done: grpc.sendUnaryData<unknown>,
      ) => {
        lines.push(`${call.request.getUrn().split("::").at(-1)}: ${call.request.getMessage()}`);
        done(null, new emptyProto.Empty());
      },
    });
    const logPort = await new Promise<number>((resolve, reject) =>
      server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    );
    const home = mkdtempSync(join(tmpdir(), "clore-engine-"));
    const { plugin, port } = await startPlugin(`127.0.0.1:${logPort}`, pluginEnv(home, options));
    const engine = new Engine(plugin, home, port, server, lines);
    await engine.configure(options.config ?? {});
    return engine;
  }

  async configure(config: Record<string, string>): Promise<void> {
    const request = new providerProto.ConfigureRequest();
    request.setArgs(marshal(config, new Set()));
    request.setAcceptsecrets(true);
    await this.#call("configure", request);
  }

  /** Inputs with defaults, or what is wrong with them as "path: reason". */
  async check(
    type: string,
    inputs: Properties,
    options: ResourceOptions = {},
  ): Promise<Got & { failures: string[] }> {
    const request = new providerProto.CheckRequest();
    request.setUrn(urnOf(type));
    request.setNews(struct(inputs, options));
    const response = await this.#call<InstanceType<typeof providerProto.CheckResponse>>("check", request);
    const failures = response.getFailuresList().map((f) => `${f.getProperty()}: ${f.getReason()}`);
    return { ...got(response.getInputs()), failures };
  }

  /** Each difference as "path: kind", such as "gpu: update_replace". */
  async diff(
    type: string,
    id: string,
    state: Properties,
    before: Properties,
    after: Properties,
  ): Promise<string[]> {
    const request = new providerProto.DiffRequest();
    request.setId(id);
    request.setUrn(urnOf(type));
    request.setOlds(struct(state));
    request.setOldInputs(struct(before));
    request.setNews(struct(after));
    const response = await this.#call<InstanceType<typeof providerProto.DiffResponse>>("diff", request);
    const names = Object.entries(providerProto.PropertyDiff.Kind);
    return [...response.getDetaileddiffMap().entries()].map(
      ([path, detail]: [string, { getKind(): number }]) =>
        `${path}: ${names.find(([, kind]) => kind === detail.getKind())?.[0].toLowerCase()}`,
    );
  }

  async create(
    type: string,
    inputs: Properties,
    options: ResourceOptions = {},
  ): Promise<Got & { id: string }> {
    const request = new providerProto.CreateRequest();
    request.setUrn(urnOf(type));
    request.setProperties(struct(inputs, options));
    request.setPreview(options.preview ?? false);
    request.setTimeout(options.timeout ?? 0);
    const response = await this.#call<InstanceType<typeof providerProto.CreateResponse>>("create", request);
    return { id: response.getId(), ...got(response.getProperties()) };
  }

  async update(
    type: string,
    id: string,
    state: Properties,
    inputs: Properties,
    options: ResourceOptions = {},
  ): Promise<Got> {
    const request = new providerProto.UpdateRequest();
    request.setId(id);
    request.setUrn(urnOf(type));
    request.setOlds(struct(state));
    request.setNews(struct(inputs, options));
    request.setPreview(options.preview ?? false);
    request.setTimeout(options.timeout ?? 0);
    const response = await this.#call<InstanceType<typeof providerProto.UpdateResponse>>("update", request);
    return got(response.getProperties());
  }

  /** `undefined`: gone. */
  async read(
    type: string,
    id: string,
    state: Properties = {},
    inputs: Properties = {},
  ): Promise<(Got & { id: string; inputs: Got }) | undefined> {
    const request = new providerProto.ReadRequest();
    request.setId(id);
    request.setUrn(urnOf(type));
    request.setProperties(struct(state));
    request.setInputs(struct(inputs));
    const response = await this.#call<InstanceType<typeof providerProto.ReadResponse>>("read", request);
    if (response.getId() === "") return undefined;
    return { id: response.getId(), inputs: got(response.getInputs()), ...got(response.getProperties()) };
  }

  async delete(type: string, id: string, state: Properties, options: ResourceOptions = {}): Promise<void> {
    const request = new providerProto.DeleteRequest();
    request.setId(id);
    request.setUrn(urnOf(type));
    request.setProperties(struct(state, options));
    request.setTimeout(options.timeout ?? 0);
    await this.#call("delete", request);
  }

  async cancel(): Promise<void> {
    await this.#call("cancel", new emptyProto.Empty());
  }

  /** Resolves when a line that fits was logged. */
  async saw(pattern: RegExp): Promise<void> {
    while (!this.lines.some((line) => pattern.test(line)))
      await new Promise((resolve) => setTimeout(resolve, 10));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.close();
    if (this.plugin.exitCode === null && this.plugin.signalCode === null) {
      const gone = once(this.plugin, "exit");
      this.plugin.kill("SIGINT"); // as the engine ends its plugins
      await gone;
    }
    this.#server.forceShutdown();
    rmSync(this.home, { recursive: true, force: true });
  }

  #call<Response>(method: string, request: unknown): Promise<Response> {
    const call = Reflect.get(this.#client, method) as (
      request: unknown,
      done: (error: grpc.ServiceError | null, response: Response) => void,
    ) => void;
    return new Promise((resolve, reject) =>
      call.call(this.#client, request, (error, response) =>
        error ? reject(new CallFailed(error)) : resolve(response),
      ),
    );
  }
}

/** Fails when an order is left, and takes it away, so that it does not trouble the next test. */
export async function expectNoOrders(emulator: Emulator): Promise<void> {
  const left = emulator.active();
  for (const order of left) {
    let answer: Response | undefined;
    while (answer?.status !== 200) {
      answer = await fetch(`${emulator.apiUrl}/cancel_order`, {
        method: "POST",
        headers: { auth: emulator.apiKey },
        body: JSON.stringify({ id: order.orderId }),
      });
    }
  }
  if (left.length > 0) throw new Error(`orders left on ${left.map((order) => order.serverId).join(", ")}`);
}

/** Environment of a plugin that must find nothing of this machine's own. */
export function pluginEnv(home: string, { emulator, speed, env }: EngineOptions): Record<string, string> {
  return {
    PATH: process.env.PATH ?? "",
    HOME: home,
    CLORE_HOME: home,
    ...compileCache,
    ...(process.env.CLORE_TEST_RUN ? { CLORE_TEST_RUN: process.env.CLORE_TEST_RUN } : {}),
    ...(emulator ? { CLORE_API_URL: emulator.apiUrl, CLORE_API_KEY: emulator.apiKey } : {}),
    ...(speed ? { CLORE_EMULATOR_SPEED: String(speed) } : {}),
    ...env,
  };
}

/** Starts the plugin's executable and reads its port. */
async function startPlugin(engineAddress: string, env: Record<string, string>) {
  const plugin = spawn(pluginPath, [engineAddress], { env, stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(createInterface(plugin.stdout), "line")) as [string];
  return { plugin, port: Number(line) };
}

export const pluginPath = fileURLToPath(new URL("../../bin/pulumi-resource-clore", import.meta.url));

function urnOf(type: string): string {
  return `urn:pulumi:test::pulumi-clore::clore:index:${type}::${type.toLowerCase()}`;
}

function struct(values: Properties, { secrets = [] }: ResourceOptions = {}): Struct {
  return marshal(values, new Set(secrets));
}

function got(properties: Struct | undefined): Got {
  return { ...unmarshal(properties), raw: (properties?.toJavaScript() ?? {}) as Properties };
}

function partialOf(error: grpc.ServiceError): CallFailed["partial"] {
  const [bytes] = error.metadata.get("grpc-status-details-bin");
  if (!(bytes instanceof Uint8Array)) return undefined;
  const [any] = statusProto.Status.deserializeBinary(bytes).getDetailsList();
  if (!(any instanceof anyProto.Any)) return undefined;
  const detail = any.unpack(
    providerProto.ErrorResourceInitFailed.deserializeBinary,
    "pulumirpc.ErrorResourceInitFailed",
  );
  if (!detail) return undefined;
  return { id: detail.getId(), inputs: unmarshal(detail.getInputs()).values, ...got(detail.getProperties()) };
}
