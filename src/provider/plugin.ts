import * as grpc from "@grpc/grpc-js";
import { CloreError, describeError } from "../core/errors.ts";
import { silentLog } from "../core/log.ts";
import { checkInputs, knownOnly, openSecrets } from "./check.ts";
import type { PluginContext, PluginSettings } from "./context.ts";
import type { Call, Change, Handler } from "./handler.ts";
import { EngineLog } from "./rpc/engine-log.ts";
import { InitFailure, toServiceError } from "./rpc/failures.ts";
import { emptyProto, pluginProto, providerProto, providerRpc } from "./rpc/proto.ts";
import { marshal, type Properties, unmarshal } from "./rpc/values.ts";

type Request = InstanceType<
  | typeof providerProto.CreateRequest
  | typeof providerProto.UpdateRequest
  | typeof providerProto.DeleteRequest
  | typeof providerProto.ReadRequest
>;

export interface PluginOptions {
  version: string;
  /** Type token → handler. */
  handlers: Readonly<Record<string, Handler>>;
  /** Makes what handlers share, once the engine has sent the configuration. */
  configure: (settings: PluginSettings) => PluginContext;
  /** Where the engine listens, if it said so on the command line. */
  engineAddress: string | undefined;
}

/** The resource provider that the engine talks to: it unwraps, dispatches to a handler, wraps, and words errors. */
export class Plugin {
  readonly #options: PluginOptions;
  #log: EngineLog | undefined;
  #context: PluginContext | undefined;
  readonly #cancel = new AbortController();
  readonly #running = new Set<Promise<unknown>>();
  readonly #warned = new Set<string>();

  constructor(options: PluginOptions) {
    this.#options = options;
    if (options.engineAddress) this.#log = new EngineLog(options.engineAddress);
  }

  /** Asks all calls in flight to stop at once and to answer with what they know. */
  cancel(reason: string): void {
    this.#cancel.abort(new CloreError("interrupted", { message: `stopped in the middle: ${reason}` }));
  }

  /** Waits until the calls in flight have answered. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#running);
  }

  /** The engine has come to the end of its run by itself: what it was answered is saved. */
  runEnded(): void {
    if (this.#context) this.#context.claims.runEnded(this.#context.ledger);
  }

  async close(): Promise<void> {
    await this.#context?.close();
    this.#log?.close();
  }

  /** The service as grpc-js wants it. */
  service(): grpc.UntypedServiceImplementation {
    const { Empty } = emptyProto;
    return {
      handshake: this.#unary((request: InstanceType<typeof providerProto.ProviderHandshakeRequest>) => {
        if (!this.#log && request.getEngineAddress()) this.#log = new EngineLog(request.getEngineAddress());
        const response = new providerProto.ProviderHandshakeResponse();
        response.setAcceptSecrets(true);
        response.setAcceptResources(true);
        response.setAcceptOutputs(true);
        return response;
      }),
      getPluginInfo: this.#unary(() => {
        const info = new pluginProto.PluginInfo();
        info.setVersion(this.#options.version);
        return info;
      }),
      getSchema: this.#unary(() => {
        const response = new providerProto.GetSchemaResponse();
        response.setSchema(JSON.stringify({ name: "clore", version: this.#options.version, resources: {} }));
        return response;
      }),
      checkConfig: this.#unary((request: InstanceType<typeof providerProto.CheckRequest>) => {
        const response = new providerProto.CheckResponse();
        response.setInputs(request.getNews());
        return response;
      }),
      diffConfig: this.#unary(() => {
        // A new key or address changes how we ask, never what was rented.
        const response = new providerProto.DiffResponse();
        response.setChanges(providerProto.DiffResponse.DiffChanges.DIFF_NONE);
        return response;
      }),
      configure: this.#unary((request: InstanceType<typeof providerProto.ConfigureRequest>) => {
        const { values } = unmarshal(request.getArgs());
        const config: Record<string, string> = {};
        for (const [key, value] of Object.entries(values)) if (typeof value === "string") config[key] = value;
        for (const [key, value] of request.getVariablesMap().toObject(false))
          config[key.replace(/^clore:(config:)?/, "")] ??= value;
        this.#context = this.#options.configure({
          config,
          env: process.env,
          log: this.#log?.for("") ?? silentLog,
        });
        const response = new providerProto.ConfigureResponse();
        response.setAcceptsecrets(true);
        response.setSupportspreview(true);
        response.setAcceptresources(true);
        response.setAcceptoutputs(true);
        return response;
      }),
      check: this.#unary((request: InstanceType<typeof providerProto.CheckRequest>) => {
        const { values, secrets } = unmarshal(request.getNews());
        const handler = this.#handler(request.getUrn());
        const { inputs, problems } = checkInputs(handler, values, this.#context);
        const response = new providerProto.CheckResponse();
        response.setInputs(marshal(inputs, secrets));
        for (const { path, problem } of [...problems, ...openSecrets(handler, secrets)]) {
          const failure = new providerProto.CheckFailure();
          failure.setProperty(path);
          failure.setReason(problem);
          response.addFailures(failure);
        }
        return response;
      }),
      diff: this.#unary(async (request: InstanceType<typeof providerProto.DiffRequest>) => {
        const response = this.#diff(request);
        await this.#log?.flushed();
        return response;
      }),
      create: this.#unary(async (request: InstanceType<typeof providerProto.CreateRequest>) => {
        const { values: inputs, secrets } = unmarshal(request.getProperties());
        const handler = this.#handler(request.getUrn());
        const response = new providerProto.CreateResponse();
        const hidden = this.#hidden(handler, secrets);
        if (request.getPreview()) {
          const { known } = knownOnly(inputs);
          const outputs = await this.#call(
            request,
            inputs,
            secrets,
            (call) => handler.preview?.(known, call) ?? Promise.resolve({}),
          );
          response.setProperties(marshal({ ...inputs, ...outputs }, hidden));
          return response;
        }
        const { id, state } = await this.#call(request, inputs, hidden, (call) =>
          handler.create(inputs, call),
        );
        response.setId(id);
        response.setProperties(marshal({ ...inputs, ...state }, hidden));
        return response;
      }),
      update: this.#unary(async (request: InstanceType<typeof providerProto.UpdateRequest>) => {
        const { values: inputs, secrets } = unmarshal(request.getNews());
        const known = unmarshal(request.getOlds()).values;
        const handler = this.#handler(request.getUrn());
        this.#notice(handler, known);
        const hidden = this.#hidden(handler, secrets);
        const response = new providerProto.UpdateResponse();
        if (request.getPreview()) {
          response.setProperties(marshal({ ...known, ...inputs }, hidden));
          return response;
        }
        const state = await this.#call(request, inputs, hidden, (call) =>
          handler.update(request.getId(), inputs, known, call),
        );
        response.setProperties(marshal({ ...inputs, ...state }, hidden));
        return response;
      }),
      read: this.#unary(async (request: InstanceType<typeof providerProto.ReadRequest>) => {
        const inputs = unmarshal(request.getInputs());
        const known = unmarshal(request.getProperties());
        const handler = this.#handler(request.getUrn());
        const recorded = Object.keys(known.values).length > 0;
        if (recorded) this.#notice(handler, known.values);
        const hidden = this.#hidden(handler, new Set([...inputs.secrets, ...known.secrets]));
        const found = await this.#call(request, inputs.values, hidden, (call) =>
          handler.read(
            request.getId(),
            recorded ? known.values : undefined,
            recorded ? inputs.values : undefined,
            call,
          ),
        );
        const response = new providerProto.ReadResponse();
        if (!found) return response;
        response.setId(found.id ?? request.getId());
        response.setInputs(marshal(found.inputs, hidden));
        response.setProperties(marshal({ ...found.inputs, ...found.state }, hidden));
        return response;
      }),
      delete: this.#unary(async (request: InstanceType<typeof providerProto.DeleteRequest>) => {
        const { values: known, secrets } = unmarshal(request.getProperties());
        const handler = this.#handler(request.getUrn());
        this.#notice(handler, known);
        await this.#call(request, known, secrets, (call) => handler.remove(request.getId(), known, call));
        return new Empty();
      }),
      cancel: this.#unary(() => {
        this.cancel("the engine was asked to stop");
        return new Empty();
      }),
      attach: this.#unary(() => new Empty()),
    };
  }

  #diff(request: InstanceType<typeof providerProto.DiffRequest>) {
    const handler = this.#handler(request.getUrn());
    const state = unmarshal(request.getOlds()).values;
    this.#notice(handler, state);
    const recorded = unmarshal(request.getOldInputs()).values;
    const want = unmarshal(request.getNews()).values;
    const urn = request.getUrn();
    this.#warn(handler, urn, state);
    const ignored = new Set(request.getIgnorechangesList());
    const changes = handler
      .changes({ inputs: recorded, state }, want)
      .filter(({ path }) => !ignored.has(path));
    const { DiffChanges } = providerProto.DiffResponse;
    const response = new providerProto.DiffResponse();
    response.setChanges(changes.length > 0 ? DiffChanges.DIFF_SOME : DiffChanges.DIFF_NONE);
    response.setDeletebeforereplace(handler.deleteBeforeReplace ?? false);
    response.setHasdetaileddiff(true);
    for (const change of changes) {
      response.addDiffs(change.path);
      if (change.kind === "replace") response.addReplaces(change.path);
      const detail = new providerProto.PropertyDiff();
      detail.setKind(kindOf(change, recorded, want));
      detail.setInputdiff(!change.drift);
      response.getDetaileddiffMap().set(change.path, detail);
    }
    return response;
  }

  #notice(handler: Handler, state: Properties): void {
    if (this.#context) handler.notice?.(state, this.#context);
  }

  /** Once each: with `--refresh` the engine compares twice. */
  #warn(handler: Handler, urn: string, state: Properties): void {
    if (!this.#context) return;
    let warnings: string[];
    try {
      warnings = handler.warnings?.(state, { urn, plugin: this.#context }) ?? [];
    } catch (error) {
      if (!(error instanceof CloreError)) throw error;
      warnings = [describeError(error)];
    }
    for (const warning of warnings) {
      if (!this.#warned.has(`${urn} ${warning}`)) this.#log?.for(urn).warn(warning);
      this.#warned.add(`${urn} ${warning}`);
    }
  }

  #hidden(handler: Handler, secretInputs: ReadonlySet<string>): ReadonlySet<string> {
    return new Set([...secretInputs, ...handler.secretOutputs]);
  }

  #handler(urn: string): Handler {
    const type = urn.split("::")[2]?.split("$").at(-1) ?? "";
    const handler = this.#options.handlers[type];
    if (!handler) throw new Error(`this plugin has no resource type ${type}`);
    return handler;
  }

  /** Runs a handler with log, signal and context; its errors leave with what they must carry. */
  async #call<T>(
    request: Request,
    inputs: Properties,
    hidden: ReadonlySet<string>,
    run: (call: Call) => Promise<T>,
  ): Promise<T> {
    if (!this.#context) throw new Error("Configure was not called");
    const urn = request.getUrn();
    const seconds = request.getTimeout?.() ?? 0;
    const signals = [this.#cancel.signal];
    if (seconds > 0) signals.push(AbortSignal.timeout(seconds * 1000));
    const call: Call = {
      urn,
      name: urn.split("::").at(-1) ?? "",
      log: this.#log?.for(urn) ?? silentLog,
      signal: AbortSignal.any(signals),
      plugin: this.#context,
    };
    const running = run(call);
    this.#running.add(running);
    try {
      return await running;
    } catch (error) {
      throw new Failed(error, inputs, hidden);
    } finally {
      this.#running.delete(running);
      await this.#log?.flushed();
    }
  }

  #unary<Req, Res>(respond: (request: Req) => Res | Promise<Res>): grpc.handleUnaryCall<Req, Res> {
    return (call, callback) => {
      Promise.try(respond, call.request).then(
        (response) => callback(null, response),
        (error: unknown) => {
          const failed = error instanceof Failed ? error : new Failed(error, {}, new Set());
          callback(toServiceError(failed.error, failed.inputs, failed.hidden), null);
        },
      );
    };
  }
}

/** An error on its way out, with what its init failure must say of inputs and secrets. */
class Failed extends Error {
  readonly error: unknown;
  readonly inputs: Properties;
  readonly hidden: ReadonlySet<string>;

  constructor(error: unknown, inputs: Properties, hidden: ReadonlySet<string>) {
    super("failed", { cause: error });
    this.error =
      error instanceof InitFailure
        ? new InitFailure(error.id, { ...inputs, ...error.state }, error.cause)
        : error;
    this.inputs = inputs;
    this.hidden = hidden;
  }
}

function kindOf(change: Change, recorded: Properties, want: Properties) {
  const { Kind } = providerProto.PropertyDiff;
  const replace = change.kind === "replace";
  if (!change.drift && recorded[change.path] === undefined) return replace ? Kind.ADD_REPLACE : Kind.ADD;
  if (!change.drift && want[change.path] === undefined) return replace ? Kind.DELETE_REPLACE : Kind.DELETE;
  return replace ? Kind.UPDATE_REPLACE : Kind.UPDATE;
}

/** Starts the plugin's server on loopback and gives its port. */
export async function serve(plugin: Plugin): Promise<{ port: number; server: grpc.Server }> {
  const server = new grpc.Server({
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
  });
  server.addService(
    providerRpc.ResourceProviderService as unknown as grpc.ServiceDefinition,
    plugin.service(),
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return { port, server };
}
