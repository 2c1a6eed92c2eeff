import type { z } from "zod";
import type { InputProblem } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { PluginContext } from "./context.ts";
import type { Properties } from "./rpc/values.ts";

/** One call of the engine, as a handler sees it. */
export interface Call {
  urn: string;
  /** The resource's logical name. */
  name: string;
  /** Status lines appear on the resource's row, the others in the diagnostics. */
  log: Log;
  /** Aborts at Ctrl-C, at the resource's custom timeout, and when the engine is gone. */
  signal: AbortSignal;
  plugin: PluginContext;
}

/** One difference between what is recorded and what is wanted. */
export interface Change {
  path: string;
  kind: "update" | "replace";
  /** Seen in the world rather than written by the user. */
  drift?: boolean;
}

/**
 * What the plugin does for one resource type. Create and update are the same flow (observe, decide, act, verify);
 * each can be repeated. A handler that has made something and cannot finish throws InitFailure.
 */
export interface Handler<Inputs extends Properties = Properties, State extends Properties = Properties> {
  /** The inputs as users write them: strict, so that a typo is an error. */
  inputs: z.ZodObject;
  /**
   * Rules between properties; sees only what is known. Unknowns are left out and named in `unknown`; `plugin` is there
   * once it is configured.
   */
  rules?(known: Partial<Inputs>, unknown?: readonly string[], plugin?: PluginContext): InputProblem[];
  /** Inputs that are computed here, such as the digest of a local file. */
  complete?(inputs: Inputs, plugin?: PluginContext): Inputs;
  /** Called with every recorded state that the engine shows, before the call that it came with. */
  notice?(known: State, plugin: PluginContext): void;
  /** What the user should know before anything is done; asked when the engine compares a recorded state. */
  warnings?(known: State, at: { urn: string; plugin: PluginContext }): string[];
  /** Inputs that strangers get to see: a secret in them is a mistake. */
  openInputs?: readonly (keyof Inputs & string)[];
  /** Outputs that are secrets whatever the inputs were. */
  secretOutputs: readonly (keyof State & string)[];
  /** Replace by deleting first (a port or a name is held), or by making the new one first. */
  deleteBeforeReplace?: boolean;
  /** Pure: which properties differ, and what each forces. */
  changes(known: { inputs: Partial<Inputs>; state: State }, want: Inputs): Change[];
  /** What a create would do; spends and changes nothing. Unknown inputs are left out. */
  preview?(want: Partial<Inputs>, call: Call): Promise<Properties>;
  create(want: Inputs, call: Call): Promise<{ id: string; state: State }>;
  update(id: string, want: Inputs, known: State, call: Call): Promise<State>;
  /** `undefined`: it is gone. Throws when that cannot be told. `inputs` are undefined on import. */
  read(
    id: string,
    known: State | undefined,
    inputs: Inputs | undefined,
    call: Call,
  ): Promise<{ id?: string; inputs: Properties; state: State } | undefined>;
  /** Already gone is success. */
  remove(id: string, known: State, call: Call): Promise<void>;
}

/** Compares recorded and wanted inputs property by property; `rule` says what a difference forces ("ignore": nothing). */
export function inputChanges<Inputs extends Properties>(
  recorded: Partial<Inputs>,
  want: Inputs,
  rule: (path: keyof Inputs & string) => Change["kind"] | "ignore",
  same: (a: unknown, b: unknown) => boolean,
): Change[] {
  const paths = new Set([...Object.keys(recorded), ...Object.keys(want)]);
  const changes: Change[] = [];
  for (const path of paths) {
    const kind = rule(path);
    if (kind !== "ignore" && !same(recorded[path], want[path])) changes.push({ path, kind });
  }
  return changes;
}
