import { nameOf, type Run, SmallEngine } from "./engine.ts";
import type { PluginProcess } from "./plugin-process.ts";
import { programOf, type ServerSpec } from "./program.ts";

export type Victim = "engine" | "plugin" | "ctrl-c";

/** Whatever runs Pulumi's commands on one stack. */
export interface Driver {
  up(servers: readonly ServerSpec[]): Promise<Run>;
  refresh(): Promise<Run>;
  destroy(): Promise<Run>;
  /** `pulumi cancel`: frees the lock of an engine that was killed. */
  unlock(): Promise<void>;
  /** Strikes the command that runs. Gives the end of its plugin. */
  strike(victim: Victim): Promise<void> | undefined;
  /** What the state names: name of a Server (with " (old)" where its deletion is due) → order. */
  recorded(): ReadonlyMap<string, number>;
  /** URNs in the state. */
  left(): readonly string[];
  close(): Promise<void>;
}

/** What a driver starts plugins with. `env` may change between two commands. */
export interface DriverSettings {
  env: Record<string, string>;
  /** `clore:` configuration. */
  config: Readonly<Record<string, string>>;
}

/** The small engine of our own with the real plugin. */
export class SmallEngineDriver implements Driver {
  readonly #engine: SmallEngine;
  #plugin: PluginProcess | undefined;

  /** @param plugin that outlives commands. @default one a command */
  constructor({ env, config }: DriverSettings, plugin?: PluginProcess) {
    this.#engine = new SmallEngine({
      env,
      config,
      plugin,
      onStart: (plugin) => {
        this.#plugin = plugin;
      },
    });
  }

  up(servers: readonly ServerSpec[]): Promise<Run> {
    return this.#engine.up(programOf(servers));
  }

  refresh(): Promise<Run> {
    return this.#engine.refresh();
  }

  destroy(): Promise<Run> {
    return this.#engine.destroy();
  }

  async unlock(): Promise<void> {
    this.#engine.unlock();
  }

  strike(victim: Victim): Promise<void> | undefined {
    if (victim === "ctrl-c") this.#engine.interrupt();
    else if (victim === "plugin") this.#plugin?.killPlugin();
    else this.#plugin?.killEngine();
    return this.#plugin?.gone;
  }

  recorded(): ReadonlyMap<string, number> {
    return ordersIn(this.#engine.state.resources);
  }

  left(): readonly string[] {
    return this.#engine.state.resources.map(({ urn }) => urn);
  }

  async close(): Promise<void> {}
}

export function ordersIn(
  resources: readonly { urn: string; outputs?: object; condemned?: boolean }[],
): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const one of resources) {
    const { orderId } = (one.outputs ?? {}) as { orderId?: number };
    if (typeof orderId === "number") found.set(`${nameOf(one)}${one.condemned ? " (old)" : ""}`, orderId);
  }
  return found;
}
