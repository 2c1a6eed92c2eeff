import { Agent, type ClientRequestArgs } from "node:http";
import type { Duplex } from "node:stream";
import Docker from "dockerode";
import { CloreError } from "../../core/errors.ts";
import type { SshConnection } from "../../ssh/types.ts";
import type { HostFacts } from "../types.ts";

/** Docker Engine API of a host. Dispose it when done; the SSH connection stays. */
export interface DockerHost extends Disposable {
  docker: Docker;
  ssh: SshConnection;
}

/**
 * The Docker daemon of a host, over our own SSH connection: each request is a stream to its unix socket. No `ssh` or
 * `docker` binary and no listening port here; `DOCKER_HOST` and the like of this machine do not count.
 * @throws CloreError `host.docker-missing` when facts say that Docker does not work there
 */
export function dockerOver(ssh: SshConnection, facts: Pick<HostFacts, "docker">): DockerHost {
  const { works, socket } = facts.docker;
  if (!works || socket === undefined) {
    throw new CloreError("host.docker-missing", {
      message: "Docker does not work on this host",
      seen: socket === undefined ? "no socket" : `${socket} is there and cannot be used by this user`,
      hint: "install it (mode docker does so where it can), or use mode native",
    });
  }
  const agent = new SocketAgent(ssh, socket);
  // Named one by one: the client fills what is not named from this machine's environment.
  const options: Docker.DockerOptions & { agent: Agent } = {
    protocol: "http",
    host: "localhost",
    port: 80,
    agent,
    ca: undefined,
    cert: undefined,
    key: undefined,
  };
  const docker = new Docker(options);
  return { docker, ssh, [Symbol.dispose]: () => agent.destroy() };
}

class SocketAgent extends Agent {
  readonly #ssh: SshConnection;
  readonly #socketPath: string;

  constructor(ssh: SshConnection, socketPath: string) {
    super({ maxSockets: 6 });
    this.#ssh = ssh;
    this.#socketPath = socketPath;
  }

  override createConnection(
    _options: ClientRequestArgs,
    callback: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    this.#ssh.dial({ socketPath: this.#socketPath }).then(
      (stream) => callback(null, stream),
      (error: Error) => callback(error, undefined as never),
    );
  }
}
