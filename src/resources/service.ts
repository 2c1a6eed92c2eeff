import * as pulumi from "@pulumi/pulumi";
import type { Connection, Server } from "./server.ts";

/** A file that the service needs on the server. */
export interface ServiceFile {
  /** Relative to the service's folder on the server, or absolute. */
  path: pulumi.Input<string>;
  /** The text itself; for larger files use `source`. */
  content?: pulumi.Input<string>;
  /** A file here, whose digest is kept in the state instead of its content. */
  source?: pulumi.Input<string>;
  /** Octal text. @default "0644" */
  mode?: pulumi.Input<string>;
}

/** A long-running process under the host's supervisor. */
export interface ServiceProcess {
  /**
   * Program and arguments, no shell. `node`, `ollama` and `vllm` as the program mean one that fits: the host's own, or
   * a pinned one that is installed in our folder.
   */
  command: pulumi.Input<pulumi.Input<string>[]>;
}

/** A container on a host with a Docker daemon. */
export interface ServiceContainer {
  /** Image to pull. Either this or `build`. */
  image?: pulumi.Input<string>;
  /** A folder here with a Dockerfile, built on the host. */
  build?: pulumi.Input<{
    /** The folder that is sent. */
    context: pulumi.Input<string>;
    /** Files from elsewhere, by their path in the context. */
    extraFiles?: pulumi.Input<Record<string, pulumi.Input<string>>>;
    /** Build arguments. Not for secrets. */
    args?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  }>;
  /** What the image is told to run. @default the image's own */
  command?: pulumi.Input<pulumi.Input<string>[]>;
  /** Where its ports are reached: on the host's loopback only, or from everywhere. @default "loopback" */
  publish?: pulumi.Input<"loopback" | "everywhere">;
  /** `source`: an absolute path of the host, or the name of a volume, which outlives the container. */
  volumes?: pulumi.Input<pulumi.Input<{ source: string; target: string; readOnly?: boolean }>[]>;
  /** How many of the host's GPUs it sees; `if-any`: all, and none where there is none. @default none */
  gpus?: pulumi.Input<"all" | "if-any" | number>;
}

/** How it is known to work. Asked from inside the server. */
export interface ServiceHealth {
  /** GET that must answer 2xx. */
  http?: pulumi.Input<{ port: pulumi.Input<number>; path: pulumi.Input<string> }>;
  /** A shell command that must exit 0. */
  command?: pulumi.Input<string>;
  /** The most to wait, in seconds. @default 60 */
  timeoutSeconds?: pulumi.Input<number>;
}

export interface ServiceArgs {
  /** Where it runs. On a rented server it goes with the server; on an existing host it is removed by itself. */
  server: Server | { connection: pulumi.Input<Connection> };
  /** Name on the server: lower-case letters, digits and dashes, at most 40. Replaces. @default the resource's name */
  name?: pulumi.Input<string>;
  /** What runs as a process. With `container` as well, the mode decides. */
  process?: pulumi.Input<ServiceProcess>;
  /** What runs as a container. */
  container?: pulumi.Input<ServiceContainer>;
  /**
   * `auto`: a container where Docker works and one is given, otherwise a process. The choice and its reason are in
   * the diagnostics. Where the outcome changes, the one is removed before the other is started. @default "auto"
   */
  mode?: pulumi.Input<"auto" | "native" | "docker">;
  files?: pulumi.Input<pulumi.Input<ServiceFile>[]>;
  /** Environment in clear text. */
  env?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  /** Environment that is secret: it goes over SSH into a file that only the service's user reads. */
  secretEnv?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  /** Ports that it listens on; taken ones are an error before anything is started. */
  ports?: pulumi.Input<pulumi.Input<number>[]>;
  /** @default "always" */
  restart?: pulumi.Input<"always" | "on-failure" | "no">;
  health?: pulumi.Input<ServiceHealth>;
}

/**
 * A long-running thing on a Server: a supervised process or a Docker container, with files, environment, secrets and
 * a health check. A new version that does not become healthy is taken back, and the old one goes on answering.
 *
 * What it costs: nothing beyond its server.
 * @example new Service("echo", { server, process: { command: ["node", "echo.mjs"] }, files: [{ path: "echo.mjs", source: "echo.mjs" }], health: { http: { port: 8080, path: "/" } } })
 */
export class Service extends pulumi.CustomResource {
  /** How it runs: `native` or `docker`. */
  declare readonly runsAs: pulumi.Output<"native" | "docker">;
  /** Why it runs that way. */
  declare readonly because: pulumi.Output<string>;
  /** Changes whenever something else runs than before: a digest of command, files and environment. */
  declare readonly revision: pulumi.Output<string>;
  /** `running` when last seen. */
  declare readonly status: pulumi.Output<string>;

  constructor(name: string, args: ServiceArgs, opts?: pulumi.CustomResourceOptions) {
    const { server, secretEnv, ...rest } = args;
    const props: pulumi.Inputs = {
      ...rest,
      name: args.name ?? name,
      secretEnv: secretEnv === undefined ? undefined : pulumi.secret(secretEnv),
      connection: pulumi.secret(server.connection),
      runsAs: undefined,
      because: undefined,
      revision: undefined,
      status: undefined,
    };
    super("clore:index:Service", name, props, onServer(server, opts));
  }
}

/** What lives on a rented server is gone with it: no SSH to a machine that is being given back. */
export function onServer(
  server: Server | { connection: unknown } | undefined,
  opts: pulumi.CustomResourceOptions = {},
): pulumi.CustomResourceOptions {
  const goesWith = pulumi.Resource.isInstance(server) && (server as Server).isRented;
  return goesWith ? pulumi.mergeOptions({ deletedWith: server as Server }, opts) : opts;
}
