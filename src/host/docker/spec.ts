import { createHash } from "node:crypto";
import type Docker from "dockerode";
import { InputError, type InputProblem } from "../../core/errors.ts";
import type { Secret } from "../../core/secret.ts";

/** An image that is built on the host, from files that come with it. */
export interface ImageBuild {
  /** The build context. Paths are relative; one of them is the Dockerfile. */
  files: readonly { path: string; content: Uint8Array | string; mode?: number }[];
  /** @default "Dockerfile" */
  dockerfile?: string;
  /** Build arguments. Never secrets: they stay readable in the image. */
  args?: Readonly<Record<string, string>>;
}

export interface PortMapping {
  /** TCP port inside the container. */
  container: number;
  /** TCP port of the host. */
  host: number;
  /** Address of the host that it listens on. @default "127.0.0.1": reached through SSH only */
  address?: string;
}

/** How a container says that it is ready: HTTP 2xx or 3xx at a port of its own, or a command inside that exits 0. */
export type ContainerHealth = ({ http: { port: number; path: string } } | { command: readonly string[] }) & {
  /** The most to wait for it after a start, in seconds. */
  timeoutSeconds: number;
};

/**
 * A container that is to run on a Docker host.
 *
 * Secrets: `secretEnv` becomes environment of the container. Whoever may use the host's Docker socket can read it by
 * `docker inspect`; that is root or as good as root, who could read it from the process as well. It never appears in
 * an argument, a log, a label or an image.
 */
export interface ContainerSpec {
  /** Letters, digits, `_`, `.`, `-`; at most 63. */
  name: string;
  /** A reference (pulled only when it is not on the host: use a digest or a version, not `latest`) or a build. */
  image: string | ImageBuild;
  /** @default the image's own */
  command?: readonly string[];
  env?: Readonly<Record<string, string>>;
  secretEnv?: Readonly<Record<string, Secret>>;
  ports?: readonly PortMapping[];
  /** `source`: an absolute path of the host, or the name of a volume, which outlives the container. */
  volumes?: readonly { source: string; target: string; readOnly?: boolean }[];
  /** @default "unless-stopped" */
  restart?: "always" | "unless-stopped" | "on-failure" | "no";
  /** How many GPUs it sees. @default none */
  gpus?: "all" | number;
  /** Seconds between TERM and KILL. @default 10 */
  stopTimeoutSeconds?: number;
  /** The log is rotated past `maxSizeMb`, and `files` are kept. @default 10 MB, 3 files */
  logLimits?: { maxSizeMb: number; files: number };
  health?: ContainerHealth;
}

/** Holds the digest of the spec; a container without it is none of ours and is never touched. */
export const DIGEST_LABEL = "pulumi-clore.digest";

/** All mistakes of a spec at once. @throws InputError */
export function checkContainer(spec: ContainerSpec): void {
  const problems: InputProblem[] = [];
  const add = (path: string, problem: string) => problems.push({ path, problem });
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$/.test(spec.name)) {
    add("name", "should be letters, digits, '_', '.' or '-', at most 63");
  }
  if (typeof spec.image === "string" ? !/^[\w./:@-]+$/.test(spec.image) : spec.image.files.length === 0) {
    add("image", "should be an image such as ollama/ollama:0.17.4, or a build with files");
  }
  for (const port of spec.ports ?? []) {
    for (const side of ["container", "host"] as const) {
      if (!Number.isInteger(port[side]) || port[side] < 1 || port[side] > 65535) {
        add(`ports.${side}`, `${port[side]} is no port (1 to 65535)`);
      }
    }
  }
  for (const volume of spec.volumes ?? []) {
    if (!volume.target.startsWith("/")) add("volumes.target", `${volume.target} should be an absolute path`);
    if (!/^(\/|[a-zA-Z0-9][\w.-]*$)/.test(volume.source)) {
      add("volumes.source", `${volume.source} should be an absolute path or a volume's name`);
    }
  }
  if (problems.length > 0) throw new InputError(`container ${spec.name}`, problems);
}

/** What names an image on the host: the reference, or for a build a tag that is made from its content. */
export function imageReference(spec: ContainerSpec): string {
  if (typeof spec.image === "string") return spec.image;
  const hash = createHash("sha256");
  const add = (text: string | Uint8Array) => hash.update(`${Buffer.byteLength(text)}\0`).update(text);
  for (const file of spec.image.files)
    for (const part of [file.path, String(file.mode ?? 0o644), file.content]) add(part);
  add(JSON.stringify([spec.image.dockerfile, spec.image.args]));
  return `${builtAs(spec.name)}:${hash.digest("hex").slice(0, 16)}`;
}

/** The repository of the images that are built on a host for a container of this name. */
export function builtAs(name: string): string {
  return `pulumi-clore/${name.toLowerCase()}`;
}

/** The digest of everything that makes a container what it is: same spec, same digest. Secrets count. */
export function containerDigest(spec: ContainerSpec): string {
  return createHash("sha256")
    .update(JSON.stringify(withoutLabel(spec)))
    .digest("hex")
    .slice(0, 24);
}

/**
 * What Docker is told to create. Pure. It is created without a restart policy: one that crashes at its start then
 * stays as it ended, with its exit code; the policy is set once it was healthy, and so says that it was.
 * @throws InputError
 */
export function createOptions(spec: ContainerSpec): Docker.ContainerCreateOptions {
  checkContainer(spec);
  const options = withoutLabel(spec);
  const labels = { [DIGEST_LABEL]: containerDigest(spec) };
  return { ...options, Labels: labels, HostConfig: { ...options.HostConfig, RestartPolicy: { Name: "no" } } };
}

/** The restart policy that it gets once it was healthy. */
export function restartPolicy(spec: ContainerSpec): NonNullable<ContainerSpec["restart"]> {
  return spec.restart ?? "unless-stopped";
}

function withoutLabel(spec: ContainerSpec): Docker.ContainerCreateOptions {
  const secrets = Object.entries(spec.secretEnv ?? {}).map(([key, value]) => [key, value.reveal()] as const);
  const logs = spec.logLimits ?? { maxSizeMb: 10, files: 3 };
  const gpus = spec.gpus === undefined || spec.gpus === 0 ? undefined : spec.gpus;
  const ports = spec.ports ?? [];
  const key = (port: PortMapping) => `${port.container}/tcp`;
  const binding = (port: PortMapping) => ({
    HostIp: port.address ?? "127.0.0.1",
    HostPort: String(port.host),
  });
  return {
    Image: imageReference(spec),
    Cmd: spec.command ? [...spec.command] : undefined,
    Env: [...Object.entries(spec.env ?? {}), ...secrets].map(([name, value]) => `${name}=${value}`),
    ExposedPorts: Object.fromEntries(ports.map((port) => [key(port), {}])),
    StopTimeout: spec.stopTimeoutSeconds ?? 10,
    Healthcheck: healthcheck(spec.health),
    HostConfig: {
      PortBindings: Object.fromEntries(
        ports.map((port) => [key(port), ports.filter((other) => key(other) === key(port)).map(binding)]),
      ),
      Binds: spec.volumes?.map(
        ({ source, target, readOnly }) => `${source}:${target}${readOnly ? ":ro" : ""}`,
      ),
      RestartPolicy: { Name: restartPolicy(spec) },
      LogConfig: {
        Type: "json-file",
        Config: { "max-size": `${logs.maxSizeMb}m`, "max-file": String(logs.files) },
      },
      DeviceRequests:
        gpus === undefined ? undefined : [{ Count: gpus === "all" ? -1 : gpus, Capabilities: [["gpu"]] }],
    },
  };
}

/** Docker's own check goes on after the start, for `docker ps` and for people; ours at the start does not wait for it. */
function healthcheck(health: ContainerHealth | undefined): Docker.ContainerCreateOptions["Healthcheck"] {
  if (!health || !("command" in health)) return undefined;
  const second = 1e9;
  return { Test: ["CMD", ...health.command], Interval: 30 * second, Timeout: 10 * second, Retries: 3 };
}
