import { Agent, type ClientRequest, type ClientRequestArgs } from "node:http";
import type { Duplex } from "node:stream";
import Docker from "dockerode";
import { CloreError } from "../../core/errors.ts";
import type { SshConnection } from "../../ssh/types.ts";
import { dialWithin } from "../dial.ts";
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
export function dockerOver(
  ssh: SshConnection,
  facts: Pick<HostFacts, "docker">,
  limits: DockerLimits = LIMITS,
): DockerHost {
  const { works, socket } = facts.docker;
  if (!works || socket === undefined) {
    throw new CloreError("host.docker-missing", {
      message: "Docker does not work on this host",
      seen: socket === undefined ? "no socket" : `${socket} is there and cannot be used by this user`,
      hint: "install it (mode docker does so where it can), or use mode native",
    });
  }
  const agent = new SocketAgent(ssh, socket, limits);
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

/** What a daemon may cost us: it belongs to a stranger. */
export interface DockerLimits {
  /** Of one answer; the progress of a pull of many gigabytes is about 10 MB. */
  answerBytes: number;
  /** Without a byte, once the request is sent. A build is silent for as long as its longest command is. */
  silenceMs: number;
  /** To open a stream to its socket. */
  dialMs: number;
}

const LIMITS: DockerLimits = { answerBytes: 64 * 1024 * 1024, silenceMs: 15 * 60_000, dialMs: 30_000 };

/** What Node calls for each request of an agent; its types do not tell. */
const queueing = Agent.prototype as unknown as {
  addRequest(request: ClientRequest, options: ClientRequestArgs): void;
};

class SocketAgent extends Agent {
  readonly #ssh: SshConnection;
  readonly #socketPath: string;
  readonly #limits: DockerLimits;

  constructor(ssh: SshConnection, socketPath: string, limits: DockerLimits) {
    super({ maxSockets: 6 });
    this.#ssh = ssh;
    this.#socketPath = socketPath;
    this.#limits = limits;
  }

  /** An answer that is cut is an error of its request: the client library waits for it for ever otherwise. */
  addRequest(request: ClientRequest, options: ClientRequestArgs): void {
    request.once("response", (response) => {
      response.once("error", (error) => request.emit("error", error));
    });
    queueing.addRequest.call(this, request, options);
  }

  override createConnection(
    _options: ClientRequestArgs,
    callback: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    dialWithin(this.#ssh, { socketPath: this.#socketPath }, AbortSignal.timeout(this.#limits.dialMs)).then(
      (stream) => callback(null, limited(stream, this.#limits)),
      (error: Error) => callback(error, undefined as never),
    );
  }
}

/** Ends a stream that brings too much, or nothing for too long. */
function limited(stream: Duplex, limits: DockerLimits): Duplex {
  let bytes = 0;
  const end = (why: string) =>
    stream.destroy(
      new CloreError("host.docker-failed", {
        message: "the host's Docker daemon does not behave as one",
        seen: why,
        hint: "look at the daemon on the host; a rented host that does this is better given back",
      }),
    );
  const silence = setTimeout(() => end(`nothing for ${limits.silenceMs / 1000} s`), limits.silenceMs);
  stream.on("data", (chunk: Buffer) => {
    silence.refresh();
    bytes += chunk.length;
    if (bytes > limits.answerBytes) end(`an answer of more than ${limits.answerBytes} bytes`);
  });
  stream.once("close", () => clearTimeout(silence));
  return stream;
}
