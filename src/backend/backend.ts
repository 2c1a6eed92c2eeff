import { z } from "zod";
import { projectOf } from "./project.ts";
import { type PulumiIo, pulumiJson, unreadable } from "./pulumi.ts";
import { type OwnedServer, readState, type StackState } from "./state.ts";

/** All stacks of the backend that the `pulumi` CLI is logged in to. */
export interface Backend {
  /** `organization/project/stack` or `project/stack`; the stack alone in backends that know no projects. */
  stacks: readonly string[];
  servers: readonly OwnedServer[];
  /** URNs of servers that a run is renting, or was until it was cut short: its order may be in no state. */
  pendingRentals: readonly string[];
}

const listSchema = z.array(z.object({ name: z.string().min(1) }));

/** So many states are exported at once: each is a process of its own. */
const atOnce = 4;

/**
 * Reads which orders the stacks own, all or nothing. Needs no passphrase: what is secret in a state stays so.
 * @throws CloreError `backend.no-cli`, `backend.unreadable` naming the stack
 * @example const { servers } = await readBackend({ env: process.env, signal })
 */
export async function readBackend(io: PulumiIo): Promise<Backend> {
  const project = projectOf(io.cwd ?? process.cwd());
  // In a project's folder the CLI leaves it out of the names of its own stacks.
  const fullName = (stack: string) =>
    project === undefined || stack.includes("/") ? stack : `${project}/${stack}`;
  const stacks = await listStacks(io);
  const states: StackState[] = [];
  const waiting = [...stacks];
  const work = async () => {
    for (let stack = waiting.shift(); stack !== undefined; stack = waiting.shift()) {
      states.push(readState(fullName(stack), await pulumiJson(["stack", "export", "--stack", stack], io)));
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, stacks.length) }, work));
  // A stack that came meanwhile may own what would otherwise look like nobody's.
  const after = await listStacks(io);
  if (after.toSorted().join("\n") !== stacks.toSorted().join("\n")) {
    throw unreadable("the list of stacks", "it changed while the states were read");
  }
  return {
    stacks: stacks.map(fullName),
    servers: states.flatMap(({ servers }) => servers),
    pendingRentals: states.flatMap(({ pendingRentals }) => pendingRentals),
  };
}

async function listStacks(io: PulumiIo): Promise<string[]> {
  const parsed = listSchema.safeParse(await pulumiJson(["stack", "ls", "--all", "--json"], io));
  if (!parsed.success) throw unreadable("pulumi stack ls", z.prettifyError(parsed.error), parsed.error);
  return parsed.data.map(({ name }) => name);
}
