import { CloreError } from "../core/errors.ts";
import { readFacts } from "../host/facts.ts";
import { chooseMode } from "../host/mode.ts";
import type { SshConnection } from "../ssh/types.ts";
import { type ConnectionInputs, connectionSchema, removeFrom, sameMachine } from "./connection.ts";
import { type Call, type Change, type Handler, inputChanges } from "./handler.ts";
import { stable } from "./rpc/values.ts";
import * as asContainer from "./service-container.ts";
import {
  comparable,
  type ServiceInputs,
  serviceInputs,
  serviceRules,
  withSources,
} from "./service-inputs.ts";
import * as asProcess from "./service-process.ts";

export type ServiceState = {
  runsAs: "native" | "docker";
  because: string;
  /** A digest of what runs. */
  revision: string;
  status: string;
};

/** What a way of running a service must be able to do; the two are service-process.ts and service-container.ts. */
export interface WayToRun {
  ensure(
    ssh: SshConnection,
    want: ServiceInputs,
    facts: import("../host/types.ts").HostFacts,
    call: Call,
  ): Promise<{ revision: string }>;
  /** "running", or what it is instead; undefined: it is not there. */
  look(
    ssh: SshConnection,
    name: string,
    call: Call,
  ): Promise<{ revision: string; status: string } | undefined>;
  remove(ssh: SshConnection, name: string, call: Call): Promise<void>;
}

const ways: Readonly<Record<ServiceState["runsAs"], WayToRun>> = { native: asProcess, docker: asContainer };

/** A long-running thing on a server: a supervised process or a container. */
export const service: Handler<ServiceInputs, ServiceState> = {
  inputs: serviceInputs,
  rules: serviceRules,
  complete: withSources,
  secretOutputs: [],
  deleteBeforeReplace: true,

  changes({ inputs, state }, want) {
    const changes: Change[] = inputChanges(
      inputs,
      want,
      (path) => (path === "name" || path === "connection" ? "replace" : "update"),
      (a, b) => stable(a) === stable(b),
    ).filter(({ path }) => !isSame(path as keyof ServiceInputs, inputs, want));
    if (state.status !== "running") changes.push({ path: "status", kind: "update", drift: true });
    return changes;
  },

  async create(want, call) {
    return { id: want.name, state: await ensureServiceOn(want, undefined, call) };
  },

  update: (_id, want, known, call) => ensureServiceOn(want, known.runsAs, call),

  async read(id, known, inputs, call) {
    if (!known || !inputs) return undefined;
    try {
      await using ssh = await connectTo(inputs.connection, call, 20_000);
      const seen = await ways[known.runsAs].look(ssh, inputs.name, call);
      if (!seen) return undefined;
      return { id, inputs, state: { ...known, ...seen } };
    } catch (error) {
      call.signal.throwIfAborted();
      if (!(error instanceof CloreError)) throw error;
      call.log.warn(`${error.code}: ${error.message}`);
      return { id, inputs, state: { ...known, status: "unknown" } };
    }
  },

  async remove(_id, known, call) {
    // Outputs carry the inputs: the connection is there without asking anybody.
    const recorded = known as ServiceState & ServiceInputs;
    await removeFrom(recorded.connection, call, (ssh) =>
      ways[recorded.runsAs].remove(ssh, recorded.name, call),
    );
  },
};

/** Chooses the way to run and brings it to what is wanted. @throws CloreError `host.*`, `ssh.*` */
export async function ensureServiceOn(
  want: ServiceInputs,
  ranAs: ServiceState["runsAs"] | undefined,
  call: Call,
): Promise<ServiceState> {
  await using ssh = await connectTo(want.connection, call, 60_000);
  const facts = await readFacts(ssh, { signal: call.signal });
  const wanted =
    want.mode === "auto" && !want.container
      ? "native"
      : want.mode === "auto" && !want.process
        ? "docker"
        : want.mode;
  const { mode, because } = chooseMode(wanted, facts);
  const runsAs = mode === "docker" ? "docker" : "native";
  call.log.info(`runs as ${runsAs === "docker" ? "a container" : "a process"}: ${because}`);
  // Both would want the same ports, and nobody would ever remove the one before.
  if (ranAs !== undefined && ranAs !== runsAs) await ways[ranAs].remove(ssh, want.name, call);
  const { revision } = await ways[runsAs].ensure(ssh, want, facts, call);
  return { runsAs, because, revision, status: "running" };
}

function connectTo(connection: ConnectionInputs, call: Call, deadlineMs: number): Promise<SshConnection> {
  return call.plugin.ssh.acquire(
    { ...connection, hostKey: connection.hostKey },
    { deadlineMs, signal: call.signal },
  );
}

/** Differences that change nothing on the server. */
function isSame(path: keyof ServiceInputs, a: Partial<ServiceInputs>, b: ServiceInputs): boolean {
  if (path === "connection") {
    const recorded = connectionSchema.safeParse(a.connection);
    return recorded.success && sameMachine(recorded.data, b.connection);
  }
  return stable(comparable(path, a[path])) === stable(comparable(path, b[path]));
}
