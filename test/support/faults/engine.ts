import structPb from "google-protobuf/google/protobuf/struct_pb.js";
import { providerProto } from "../../../src/provider/rpc/proto.ts";
import type { Json, Properties } from "../../../src/provider/rpc/values.ts";
import { CallFailed } from "../engine.ts";
import { EngineKilled, PluginProcess } from "./plugin-process.ts";

type Wire = { [key: string]: Json };

/** A resource as a snapshot holds it. Properties stand in the wire's own form, secrets wrapped. */
export interface Saved {
  urn: string;
  id: string;
  inputs: Wire;
  outputs: Wire;
  /** URNs. */
  dependsOn: readonly string[];
  deletedWith: string | undefined;
  /** Its creation or update failed half-way: the next up calls Update even without a difference. */
  initFailed: boolean;
  /** It was replaced, and its deletion is still due. */
  condemned: boolean;
}

/** A stack's state. It outlives engines and plugins. */
export class StackState {
  resources: Saved[] = [];
  pending: { operation: "creating" | "updating" | "deleting" | "reading"; urn: string }[] = [];
  /** Left by an engine that was killed; `pulumi cancel` frees it. */
  locked = false;
}

/** A resource as a program asks for it. */
export interface Goal {
  type: string;
  name: string;
  /** Names of those whose outputs it needs. */
  dependsOn: readonly string[];
  deletedWith?: string;
  inputs(outputs: (name: string) => Wire): Wire;
}

export interface Run {
  ok: boolean;
  killed: boolean;
  errors: string[];
  /** Diagnostics of the plugin. */
  said: readonly string[];
}

/** Pulumi starts no plugin for an empty state. */
const nothingToDo: Run = { ok: true, killed: false, errors: [], said: [] };

export interface EngineSettings {
  env: Record<string, string>;
  config: Record<string, string>;
  /** Called with every plugin that is started. */
  onStart?(plugin: PluginProcess): void;
  /** One that outlives commands, which Pulumi's never do: to watch it over a long time. @default one a command */
  plugin?: PluginProcess;
}

/**
 * What `pulumi up`, `refresh` and `destroy` do with a provider and a state: a plugin of its own for each command, a
 * snapshot before and after each step. Facts: Pulumi 3.259, pkg/resource/deploy (step.go, step_generator.go,
 * deployment_executor.go) and pkg/backend/snapshot.go.
 */
export class SmallEngine {
  readonly state = new StackState();
  readonly #settings: EngineSettings;
  #stop = false;
  #plugin: PluginProcess | undefined;
  readonly #stack: string;

  constructor(settings: EngineSettings, stack = "dev") {
    this.#settings = settings;
    this.#stack = stack;
  }

  urn(type: string, name: string): string {
    return `urn:pulumi:${this.#stack}::faults::clore:index:${type}::${name}`;
  }

  /** Frees the stack's lock, as `pulumi cancel` does; it asks no provider anything. */
  unlock(): void {
    this.state.locked = false;
  }

  /** Ctrl-C once: no new steps, and the plugin is told. */
  interrupt(): void {
    this.#stop = true;
    void this.#plugin?.cancel().catch(() => {});
  }

  up(goals: readonly Goal[]): Promise<Run> {
    return this.#run(async (plugin, failed) => {
      const done = new Map<string, Promise<Saved | undefined>>();
      const makeOne = async (goal: Goal): Promise<Saved | undefined> => {
        const needed = await Promise.all(goal.dependsOn.map((name) => done.get(name)));
        if (this.#stop || needed.includes(undefined)) return undefined;
        const outputs = (name: string) => {
          const found = needed.find((one) => one?.urn.endsWith(`::${name}`));
          if (!found) throw new Error(`${goal.name} does not depend on ${name}`);
          return found.outputs;
        };
        return this.#ensure(plugin, goal, goal.inputs(outputs), (error) => failed(goal.name, error));
      };
      for (const goal of goals) done.set(goal.name, makeOne(goal));
      const all = await Promise.all(done.values());
      if (this.#stop || all.includes(undefined)) return;
      const wanted = new Set(goals.map((goal) => this.urn(goal.type, goal.name)));
      await this.#deleteAll(
        plugin,
        this.state.resources.filter((one) => one.condemned || !wanted.has(one.urn)),
        failed,
      );
    });
  }

  async destroy(): Promise<Run> {
    if (this.state.resources.length === 0) return nothingToDo;
    return this.#run((plugin, failed) => this.#deleteAll(plugin, [...this.state.resources], failed));
  }

  async refresh(): Promise<Run> {
    if (this.state.resources.length === 0) return nothingToDo;
    return this.#run(async (plugin, failed) => {
      const readOne = async (one: Saved): Promise<void> => {
        if (one.condemned || this.#stop) return;
        const request = new providerProto.ReadRequest();
        request.setId(one.id);
        request.setUrn(one.urn);
        request.setProperties(struct(one.outputs));
        request.setInputs(struct(one.inputs));
        try {
          const response = await plugin.call<InstanceType<typeof providerProto.ReadResponse>>(
            "read",
            request,
          );
          if (response.getId() === "") {
            this.#drop(one);
            return;
          }
          one.id = response.getId();
          one.inputs = wire(response.getInputs());
          one.outputs = wire(response.getProperties());
          one.initFailed = false; // observed: a refresh forgets what failed before
        } catch (error) {
          failed(nameOf(one), error);
        }
      };
      await Promise.all(this.state.resources.map(readOne));
    });
  }

  async #run(
    work: (plugin: PluginProcess, failed: (name: string, error: unknown) => void) => Promise<void>,
  ): Promise<Run> {
    if (this.state.locked) throw new Error("the stack is locked: an engine was killed; run unlock()");
    this.#stop = false;
    const { env, config, plugin: lasting } = this.#settings;
    const plugin = lasting ?? (await PluginProcess.start(env, config));
    this.#plugin = plugin;
    const errors: string[] = [];
    const failed = (name: string, error: unknown) => {
      if (error instanceof EngineKilled) return;
      if (!(error instanceof CallFailed)) throw error;
      this.#stop = true;
      errors.push(`${name}: ${error.message}`);
    };
    this.state.locked = true;
    try {
      this.#settings.onStart?.(plugin);
      await work(plugin, failed);
      if (!plugin.engineDead) this.state.locked = false;
      return {
        ok: errors.length === 0 && !this.#stop && !plugin.engineDead,
        killed: plugin.engineDead,
        errors,
        said: plugin.said,
      };
    } finally {
      if (!lasting) await plugin.end();
      this.#plugin = undefined;
    }
  }

  /** Check, then create, update, replace or nothing. Gives undefined when it could not be made. */
  async #ensure(
    plugin: PluginProcess,
    goal: Goal,
    raw: Wire,
    failed: (error: unknown) => void,
  ): Promise<Saved | undefined> {
    const urn = this.urn(goal.type, goal.name);
    const old = this.state.resources.find((one) => one.urn === urn && !one.condemned);
    try {
      const inputs = await check(plugin, urn, raw, old);
      if (!old) return await this.#create(plugin, goal, inputs);
      const { change, deleteFirst } = await diff(plugin, old, inputs);
      if (change === "replace") {
        if (deleteFirst) await this.#deleteAll(plugin, [old], (_name, error) => failed(error));
        if (this.#stop) return undefined;
        return await this.#create(plugin, goal, inputs, deleteFirst ? undefined : old);
      }
      if (change === "none" && !old.initFailed) return old;
      return await this.#update(plugin, old, inputs);
    } catch (error) {
      failed(error);
      return undefined;
    }
  }

  async #create(plugin: PluginProcess, goal: Goal, inputs: Wire, replaced?: Saved): Promise<Saved> {
    const urn = this.urn(goal.type, goal.name);
    const saved: Saved = {
      urn,
      id: "",
      inputs,
      outputs: {},
      dependsOn: goal.dependsOn.map((name) => this.#named(name).urn),
      deletedWith: goal.deletedWith && this.#named(goal.deletedWith).urn,
      initFailed: false,
      condemned: false,
    };
    const request = new providerProto.CreateRequest();
    request.setUrn(urn);
    request.setProperties(struct(inputs));
    const done = this.#begin("creating", urn);
    // The old one counts as replaced only once the new one stands.
    const keep = () => {
      if (replaced) replaced.condemned = true;
      this.state.resources.push(saved);
    };
    try {
      const response = await plugin.call<InstanceType<typeof providerProto.CreateResponse>>(
        "create",
        request,
      );
      saved.id = response.getId();
      saved.outputs = wire(response.getProperties());
      keep();
      done();
      return saved;
    } catch (error) {
      if (error instanceof CallFailed) {
        if (error.partial) {
          saved.id = error.partial.id;
          saved.outputs = error.partial.raw as Wire;
          saved.initFailed = true;
          keep();
        }
        done();
      }
      throw error;
    }
  }

  async #update(plugin: PluginProcess, old: Saved, inputs: Wire): Promise<Saved> {
    const request = new providerProto.UpdateRequest();
    request.setId(old.id);
    request.setUrn(old.urn);
    request.setOlds(struct(old.outputs));
    request.setOldInputs(struct(old.inputs));
    request.setNews(struct(inputs));
    const done = this.#begin("updating", old.urn);
    try {
      const response = await plugin.call<InstanceType<typeof providerProto.UpdateResponse>>(
        "update",
        request,
      );
      old.inputs = inputs;
      old.outputs = wire(response.getProperties());
      old.initFailed = false;
      done();
      return old;
    } catch (error) {
      if (error instanceof CallFailed) {
        if (error.partial) {
          old.inputs = inputs;
          old.outputs = error.partial.raw as Wire;
          old.initFailed = true;
        }
        done();
      }
      throw error;
    }
  }

  /** Each after all that depend on it; what goes with another that goes is not asked for. */
  async #deleteAll(
    plugin: PluginProcess,
    doomed: readonly Saved[],
    failed: (name: string, error: unknown) => void,
  ): Promise<void> {
    const done = new Map<Saved, Promise<boolean>>();
    const deleteOne = (one: Saved): Promise<boolean> => {
      const known = done.get(one);
      if (known) return known;
      const going = (async () => {
        const dependents = doomed.filter((other) => other !== one && other.dependsOn.includes(one.urn));
        const gone = await Promise.all(dependents.map(deleteOne));
        if (this.#stop || gone.includes(false)) return false;
        const goesWith = doomed.some((other) => other.urn === one.deletedWith);
        if (goesWith) {
          this.#drop(one);
          return true;
        }
        const request = new providerProto.DeleteRequest();
        request.setId(one.id);
        request.setUrn(one.urn);
        request.setProperties(struct(one.outputs));
        request.setOldInputs(struct(one.inputs));
        const finish = this.#begin("deleting", one.urn);
        try {
          await plugin.call("delete", request);
          this.#drop(one);
          finish();
          return true;
        } catch (error) {
          if (error instanceof CallFailed) finish();
          failed(nameOf(one), error);
          return false;
        }
      })();
      done.set(one, going);
      return going;
    };
    await Promise.all(doomed.toReversed().map(deleteOne));
  }

  #begin(operation: StackState["pending"][number]["operation"], urn: string): () => void {
    const entry = { operation, urn };
    this.state.pending.push(entry);
    return () => {
      this.state.pending = this.state.pending.filter((one) => one !== entry);
    };
  }

  #drop(one: Saved): void {
    this.state.resources = this.state.resources.filter((other) => other !== one);
  }

  #named(name: string): Saved {
    const found = this.state.resources.find((one) => nameOf(one) === name && !one.condemned);
    if (!found) throw new Error(`${name} is not in the state`);
    return found;
  }
}

export function nameOf(one: { urn: string }): string {
  return one.urn.split("::").at(-1) ?? "";
}

async function check(plugin: PluginProcess, urn: string, raw: Wire, old: Saved | undefined): Promise<Wire> {
  const request = new providerProto.CheckRequest();
  request.setUrn(urn);
  request.setNews(struct(raw));
  if (old) request.setOlds(struct(old.inputs));
  const response = await plugin.call<InstanceType<typeof providerProto.CheckResponse>>("check", request);
  const failures = response.getFailuresList().map((one) => `${one.getProperty()}: ${one.getReason()}`);
  if (failures.length > 0) throw new Error(`${urn}: ${failures.join("; ")}`);
  return wire(response.getInputs());
}

async function diff(plugin: PluginProcess, old: Saved, inputs: Wire) {
  const request = new providerProto.DiffRequest();
  request.setId(old.id);
  request.setUrn(old.urn);
  request.setOlds(struct(old.outputs));
  request.setOldInputs(struct(old.inputs));
  request.setNews(struct(inputs));
  const response = await plugin.call<InstanceType<typeof providerProto.DiffResponse>>("diff", request);
  const some = response.getChanges() === providerProto.DiffResponse.DiffChanges.DIFF_SOME;
  const change = response.getReplacesList().length > 0 ? "replace" : some ? "update" : "none";
  return { change, deleteFirst: response.getDeletebeforereplace() } as const;
}

function struct(values: Wire): structPb.Struct {
  return structPb.Struct.fromJavaScript(values as never);
}

function wire(properties: structPb.Struct | undefined): Wire {
  return (properties?.toJavaScript() ?? {}) as Wire;
}

/** A value of the wire without its wrapping as a secret. */
export function plain(value: Json | undefined): Json | undefined {
  const secret = value as { value?: Json } | null;
  return typeof secret === "object" && secret !== null && "4dabf18193072939515e22adb298388d" in secret
    ? secret.value
    : value;
}

export type { Properties, Wire };
