import { readFileSync } from "node:fs";
import { Secret } from "../core/secret.ts";
import {
  type ContainerSpec,
  dockerOver,
  ensureContainer,
  ensureDocker,
  observeContainer,
  removeContainer,
} from "../host/docker.ts";
import { readFacts } from "../host/facts.ts";
import type { HostFacts } from "../host/types.ts";
import type { SshConnection } from "../ssh/types.ts";
import type { Call } from "./handler.ts";
import { buildFiles, type ServiceInputs } from "./service-inputs.ts";

/** Brings the container to what is wanted; Docker itself is installed where it is missing and can be. */
export async function ensure(
  ssh: SshConnection,
  want: ServiceInputs,
  facts: HostFacts,
  call: Call,
): Promise<{ revision: string }> {
  const io = { signal: call.signal, log: call.log };
  using host = dockerOver(ssh, await ensureDocker(ssh, facts, io));
  const state = await ensureContainer(host, specOf(want, facts), io);
  return { revision: state.digest ?? state.id };
}

export async function look(ssh: SshConnection, name: string, call: Call) {
  using host = dockerOver(ssh, await readFacts(ssh, { signal: call.signal }));
  const { current } = await observeContainer(host.docker, name);
  if (!current) return undefined;
  return { revision: current.digest ?? current.id, status: current.running ? "running" : "stopped" };
}

export async function remove(ssh: SshConnection, name: string, call: Call): Promise<void> {
  const facts = await readFacts(ssh, { signal: call.signal });
  if (!facts.docker.works) return;
  using host = dockerOver(ssh, facts);
  await removeContainer(host, name);
}

/** What the container is to be on this host. Pure but for the files of a build. */
export function specOf(want: ServiceInputs, facts: Pick<HostFacts, "gpus">): ContainerSpec {
  const { container, health } = want;
  const build = container?.build;
  return {
    name: want.name,
    image: build
      ? {
          files: buildFiles(build).map(({ path, file }) => ({ path, content: readFileSync(file) })),
          args: build.args,
        }
      : (container?.image ?? ""),
    command: container?.command,
    env: want.env,
    secretEnv: Object.fromEntries(
      Object.entries(want.secretEnv).map(([key, value]) => [key, new Secret(value)]),
    ),
    ports: want.ports.map((port) => ({
      container: port,
      host: port,
      address: container?.publish === "everywhere" ? "0.0.0.0" : "127.0.0.1",
    })),
    volumes: container?.volumes,
    // Docker refuses `--gpus all` where there is none.
    gpus: container?.gpus !== "if-any" ? container?.gpus : facts.gpus.length > 0 ? "all" : undefined,
    restart: want.restart === "always" ? "unless-stopped" : want.restart,
    health: health && {
      timeoutSeconds: health.timeoutSeconds,
      ...(health.http ? { http: health.http } : { command: ["sh", "-c", health.command ?? "true"] }),
    },
  };
}
