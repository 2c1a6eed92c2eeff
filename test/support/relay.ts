import { once } from "node:events";
import { type AddressInfo, createServer, type Socket, connect as tcpConnect } from "node:net";

export interface RelayOptions {
  /** How long each byte is under way, in milliseconds: each direction, or both alike. @default 0 */
  delayMs?: number | { up: number; down: number };
  /** The most each direction carries, in bytes a second. @default unlimited */
  bytesPerSecond?: number;
}

/** A line to a server, on loopback: far away, narrow, or broken when the test says so. */
export interface Relay extends AsyncDisposable {
  readonly port: number;
  /** Connections so far. */
  readonly connections: number;
  /** Bytes carried so far, both directions. */
  readonly bytes: number;
  /** Ends all connections as a dying host does (FIN), or as a firewall does (RST). New ones work. */
  cut(how: "fin" | "rst"): void;
  /** Half-open: what is sent over the present connections vanishes, and nobody closes. New ones work. */
  silence(): void;
}

/**
 * Starts a relay on 127.0.0.1 to a port there. Delay does not narrow the line: any number of bytes is under way at once
 * (and kept in memory). Connecting takes one and a half round trips until the server sees it, as TCP's handshake does.
 * @example await using far = await startRelay(sshd.target.port, { delayMs: 40 }); connect({ ...sshd.target, port: far.port }, …)
 */
export async function startRelay(port: number, options: RelayOptions = {}): Promise<Relay> {
  const { up, down } =
    typeof options.delayMs === "object"
      ? options.delayMs
      : { up: options.delayMs ?? 0, down: options.delayMs ?? 0 };
  const lines = new Set<Line>();
  let connections = 0;
  let bytes = 0;
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (near) => {
    connections++;
    const line: Line = { near, far: undefined, silent: false };
    lines.add(line);
    const upward = new Pipe(up, options.bytesPerSecond, (count) => {
      bytes += count;
    });
    const downward = new Pipe(down, options.bytesPerSecond, (count) => {
      bytes += count;
    });
    upward.from(near, line);
    near.on("error", () => line.far?.destroy());
    near.once("close", () => {
      lines.delete(line);
      if (!line.silent) line.far?.destroy();
    });
    // SYN there, SYN back, ACK there; what the client has sent meanwhile arrives with the last.
    const dial = setTimeout(
      () => {
        const far = tcpConnect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
        line.far = far;
        far.on("error", () => near.resetAndDestroy());
        downward.from(far, line);
        downward.to(near);
        upward.to(far);
      },
      up + down + up,
    );
    near.once("close", () => clearTimeout(dial));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections;
    },
    get bytes() {
      return bytes;
    },
    cut(how) {
      for (const { near, far } of lines) {
        if (how === "rst") near.resetAndDestroy();
        else near.end();
        far?.destroy();
      }
    },
    silence() {
      for (const line of lines) line.silent = true;
    },
    async [Symbol.asyncDispose]() {
      for (const { near, far } of lines) {
        near.destroy();
        far?.destroy();
      }
      server.close();
      await once(server, "close");
    },
  };
}

interface Line {
  near: Socket;
  far: Socket | undefined;
  silent: boolean;
}

/** One direction: a queue of what is under way, in the order it was sent. */
class Pipe {
  readonly #delayMs: number;
  readonly #msPerByte: number;
  readonly #count: (bytes: number) => void;
  readonly #queue: { due: number; data: Buffer | undefined }[] = [];
  #socket: Socket | undefined;
  /** When the last byte that was sent leaves: a narrow line makes those behind it wait. */
  #busyUntil = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(delayMs: number, bytesPerSecond: number | undefined, count: (bytes: number) => void) {
    this.#delayMs = delayMs;
    this.#msPerByte = bytesPerSecond === undefined ? 0 : 1_000 / bytesPerSecond;
    this.#count = count;
  }

  /** Takes what a socket gives, its end too. */
  from(socket: Socket, line: Line): void {
    const send = (data: Buffer | undefined) => {
      if (line.silent) return;
      const now = performance.now();
      this.#busyUntil = Math.max(now, this.#busyUntil) + (data?.length ?? 0) * this.#msPerByte;
      this.#queue.push({ due: this.#busyUntil + this.#delayMs, data });
      this.#deliver();
    };
    socket.on("data", send);
    socket.once("end", () => send(undefined));
  }

  /** Gives it to this one. */
  to(socket: Socket): void {
    this.#socket = socket;
    this.#deliver();
  }

  #deliver(): void {
    if (!this.#socket || this.#timer) return;
    const now = performance.now();
    while (this.#queue[0] && this.#queue[0].due <= now) {
      const { data } = this.#queue.shift()!;
      if (data === undefined) this.#socket.end();
      else {
        this.#count(data.length);
        this.#socket.write(data);
      }
    }
    const next = this.#queue[0];
    if (!next) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#deliver();
    }, next.due - now);
  }
}
