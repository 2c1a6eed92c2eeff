import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { timingSafeEqual } from "node:crypto";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { resolve, sep } from "node:path";
import type { Duplex } from "node:stream";
import ssh2, { type AuthContext, type Connection, type ServerChannel, type Session } from "ssh2";
import { newHostKey } from "./hostkey.ts";

export interface SandboxSshOptions {
  /** OpenSSH public key that may log in. */
  key: string | undefined;
  password: string | undefined;
  /** Unix sockets outside this folder are not forwarded to: the laptop's own daemons stay out of reach. */
  socketFolder: string;
  /** Starts a command, or an interactive shell when there is none, as leader of its own process group. */
  run(command: string | undefined): ChildProcessWithoutNullStreams;
}

/** Sessions at once on one connection, as OpenSSH's default MaxSessions. */
const maxSessions = 10;

/** The SSH server of one sandbox machine: root only, one key, exec, shell without terminal, TCP and unix forwards. */
export class SandboxSsh {
  locked = false;
  port = 0;
  readonly #options: SandboxSshOptions;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;

  constructor(options: SandboxSshOptions) {
    this.#options = options;
  }

  async listen(): Promise<void> {
    const ssh = new ssh2.Server(
      { hostKeys: [newHostKey()], ident: "OpenSSH_9.2p1 Debian-2+deb12u7" },
      (client) => this.#serve(client),
    );
    // A listener of our own: ssh2's leaves Nagle's delay on, which costs half a second a connection.
    const server = createServer({ noDelay: true }, (socket) => {
      this.#keep(socket);
      ssh.injectSocket(socket);
    });
    this.#server = server;
    await new Promise<void>((done, fail) => {
      server.once("error", fail);
      server.listen(0, "127.0.0.1", done);
    });
    this.port = (server.address() as AddressInfo).port;
  }

  /** From now on connections meet another host key; running ones go on. */
  async renewKey(): Promise<void> {
    this.#server?.close();
    await this.listen();
  }

  /** Ends every connection without a word. */
  drop(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.drop();
    const server = this.#server;
    this.#server = undefined;
    server?.close();
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
  }

  #serve(client: Connection): void {
    client.on("error", () => {}); // a client that goes without farewell is none of our trouble
    client.on("authentication", (attempt) =>
      this.#allows(attempt) ? attempt.accept() : attempt.reject(["publickey", "password"]),
    );
    let sessions = 0;
    client.on("session", (accept, reject) => {
      if (sessions >= maxSessions) return reject();
      sessions++;
      this.#session(accept(), () => sessions--);
    });
    client.on("tcpip", (accept, reject, to) =>
      this.#forward(connect(to.destPort, "127.0.0.1"), accept, reject),
    );
    client.on("openssh.streamlocal", (accept, reject, to) => {
      const path = resolve(to.socketPath);
      if (!path.startsWith(this.#options.socketFolder + sep)) return reject();
      this.#forward(connect(path), accept, reject);
    });
  }

  #allows(attempt: AuthContext): boolean {
    if (this.locked || attempt.username !== "root") return false;
    const { key, password } = this.#options;
    if (attempt.method === "password") return password !== undefined && same(attempt.password, password);
    if (attempt.method !== "publickey" || key === undefined) return false;
    const ours = ssh2.utils.parseKey(key);
    if (ours instanceof Error || !same(attempt.key.data, ours.getPublicSSH())) return false;
    // Without a signature the client only asks whether this key would do.
    return !attempt.signature || ours.verify(attempt.blob!, attempt.signature, attempt.hashAlgo) === true;
  }

  #session(session: Session, ended: () => void): void {
    session.on("pty", (accept) => accept?.());
    session.on("env", (accept) => accept?.()); // taken and ignored, as sshd does without AcceptEnv
    // Signals are not listened to: OpenSSH refuses them to root ("session signalling requires privilege separation").
    session.on("exec", (accept, _reject, { command }) =>
      attach(this.#options.run(command), accept().on("close", ended)),
    );
    session.on("shell", (accept) => attach(this.#options.run(undefined), accept().on("close", ended)));
  }

  #forward(socket: Socket, accept: () => Duplex, reject: () => void): void {
    this.#keep(socket);
    socket.setNoDelay(true);
    let open = false;
    socket.on("error", () => open || reject());
    socket.once("connect", () => {
      open = true;
      const channel = accept();
      channel.on("error", () => socket.destroy());
      channel.on("close", () => socket.destroy());
      socket.pipe(channel);
      channel.pipe(socket);
    });
  }
}

/** Joins a process and a channel as sshd does: the status when it exits, the end when nobody holds its output any more. */
function attach(child: ChildProcessWithoutNullStreams, channel: ServerChannel): void {
  channel.on("error", () => {});
  child.stdin.on("error", () => {}); // the process may close its input first
  child.on("error", (error) => {
    channel.stderr.write(`${error.message}\n`);
    channel.exit(127);
    channel.end();
  });
  channel.pipe(child.stdin);
  child.stdout.pipe(channel, { end: false });
  child.stderr.pipe(channel.stderr, { end: false });
  channel.on("close", () => {
    child.stdout.destroy(); // a process that goes on writing gets EPIPE; one that is silent lives on
    child.stderr.destroy();
  });
  child.on("exit", (code, signal) =>
    signal ? channel.exit(signal.replace("SIG", ""), false, "") : channel.exit(code ?? 0),
  );
  child.on("close", () => channel.end());
}

function same(a: string | Buffer, b: string | Buffer): boolean {
  const [one, other] = [Buffer.from(a as string), Buffer.from(b as string)];
  return one.length === other.length && timingSafeEqual(one, other);
}
