import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { stateDirectory } from "../core/state-directory.ts";
import type { Connection, Server } from "./server.ts";

/**
 * A provider of `@pulumi/docker` for a server with a Docker daemon, for those who want to go on from there. That
 * provider runs the `ssh` and `docker` of this machine, so both must be installed; the server's key is written to a
 * file that only you can read, below the state folder (`CLORE_HOME`). Services need none of this.
 * @example
 * import { dockerProvider } from "pulumi-clore/docker";
 * new docker.Container("redis", { image: "redis:7" }, { provider: dockerProvider("on-gpu", server) });
 */
export function dockerProvider(
  name: string,
  server: Server | { connection: pulumi.Input<Connection> },
  opts?: pulumi.ResourceOptions,
): docker.Provider {
  const files = pulumi.output(server.connection).apply(writeKey);
  return new docker.Provider(
    name,
    {
      host: pulumi.unsecret(files.host),
      sshOpts: [
        ...["-i", pulumi.unsecret(files.key)],
        ...["-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=yes"],
        ...["-o", pulumi.interpolate`UserKnownHostsFile=${pulumi.unsecret(files.knownHosts)}`],
      ],
    },
    opts,
  );
}

/** The pinned host key goes with it: a changed one is refused by `ssh` too. */
function writeKey({ address, port, user, privateKey, hostKey }: Connection) {
  const host = `ssh://${user}@${address}:${port}`;
  const name = createHash("sha256").update(`${host}\n${hostKey}`).digest("hex").slice(0, 16);
  const folder = join(stateDirectory(process.env), "docker", name);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const [key, knownHosts] = [join(folder, "key"), join(folder, "known_hosts")];
  writeFileSync(key, privateKey, { mode: 0o600 });
  writeFileSync(knownHosts, `[${address}]:${port} ${hostKey}\n`, { mode: 0o600 });
  return { host, key, knownHosts };
}
