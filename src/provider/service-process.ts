import { readFileSync } from "node:fs";
import { Secret } from "../core/secret.ts";
import { cacheDirectory } from "../core/state-directory.ts";
import { ensureNode, localNode, type NodeArch } from "../host/node-runtime.ts";
import { OLLAMA_PORT } from "../host/ollama/client.ts";
import { localOllama, ollamaProcess } from "../host/ollama/install.ts";
import {
  applyService,
  observeService,
  planService,
  removeService,
  type ServiceSpec,
} from "../host/service.ts";
import { chooseSupervisor } from "../host/supervisor.ts";
import type { HostFacts } from "../host/types.ts";
import { vllmProcess } from "../host/vllm/install.ts";
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
  const spec = specOf(want, await programFor(ssh, want, facts, call));
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

/** `node`, `ollama` and `vllm` as the program mean ones that fit, wherever they are; `ollama` listens on loopback only. */
async function programFor(
  ssh: SshConnection,
  want: ServiceInputs,
  facts: HostFacts,
  call: Call,
): Promise<{ command: string[]; env: Record<string, string> }> {
  const [program = "", ...args] = want.process?.command ?? [];
  const io = { signal: call.signal, log: call.log };
  const cache = cacheDirectory(process.env);
  if (program === "node") {
    const provide = (arch: NodeArch) => localNode(arch, cache, call.signal);
    return { command: [await ensureNode(ssh, facts, { provide, ...io }), ...args], env: {} };
  }
  if (program === "ollama") {
    const provide = () => localOllama(cache, facts);
    const options = { provide, downloadBase: process.env.CLORE_OLLAMA_MIRROR, ...io };
    const { program, env } = await ollamaProcess(ssh, facts, want.ports[0] ?? OLLAMA_PORT, options);
    return { command: [program, ...args], env };
  }
  if (program === "vllm") {
    const { program, env } = await vllmProcess(ssh, facts, { index: process.env.CLORE_VLLM_INDEX, ...io });
    return { command: [program, ...args], env };
  }
  return { command: [program, ...args], env: {} };
}

function specOf(
  want: ServiceInputs,
  { command, env }: { command: string[]; env: Record<string, string> },
): ServiceSpec {
  const health = want.health;
  return {
    name: want.name,
    command,
    env: { ...want.env, ...env },
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
