import { readFileSync } from "node:fs";
import { CloreError } from "../core/errors.ts";
import { Secret } from "../core/secret.ts";
import {
  applyService,
  observeService,
  planService,
  removeService,
  type ServiceSpec,
} from "../host/service.ts";
import { chooseSupervisor } from "../host/supervisor.ts";
import type { HostFacts } from "../host/types.ts";
import type { SshConnection } from "../ssh/types.ts";
import type { Call } from "./handler.ts";
import type { ServiceInputs } from "./service-inputs.ts";

/** Brings the process to what is wanted; nothing is touched when it is so already. */
export async function ensure(
  ssh: SshConnection,
  want: ServiceInputs,
  facts: HostFacts,
  call: Call,
): Promise<{ revision: string }> {
  const spec = specOf(want, commandFor(want, facts));
  const seen = await observeService(ssh, want.name, { signal: call.signal });
  const plan = planService(spec, seen, chooseSupervisor(facts));
  await applyService(ssh, plan, { signal: call.signal, log: call.log });
  return { revision: plan.digest };
}

export async function look(ssh: SshConnection, name: string, call: Call) {
  const seen = await observeService(ssh, name, { signal: call.signal });
  if (!seen.installed || seen.digest === undefined) return undefined;
  return { revision: seen.digest, status: seen.running ? "running" : seen.state };
}

export async function remove(ssh: SshConnection, name: string, call: Call): Promise<void> {
  await removeService(ssh, name, { signal: call.signal });
}

/** `node` as the program means one that fits. */
function commandFor(want: ServiceInputs, facts: HostFacts): string[] {
  const [program = "", ...args] = want.process?.command ?? [];
  if (program === "node" && Number.parseInt(facts.nodeVersion?.replace(/^v/, "") ?? "0", 10) < 22) {
    throw new CloreError("host.no-node", {
      message: `the host has no Node 22 or newer (${facts.nodeVersion ?? "none"})`,
    });
  }
  return [program, ...args];
}

function specOf(want: ServiceInputs, command: string[]): ServiceSpec {
  const health = want.health;
  return {
    name: want.name,
    command,
    env: want.env,
    secretEnv: Object.fromEntries(
      Object.entries(want.secretEnv).map(([key, value]) => [key, new Secret(value)]),
    ),
    files: want.files.map(({ path, content, source, mode }) => ({
      path,
      content: content ?? readFileSync(source ?? ""),
      mode: Number.parseInt(mode, 8),
    })),
    restart: want.restart,
    ports: want.ports,
    health: health && {
      timeoutSeconds: health.timeoutSeconds,
      ...(health.http ? { http: health.http } : { command: ["sh", "-c", health.command ?? "true"] }),
    },
  };
}
