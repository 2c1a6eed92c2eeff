import { type AddressInfo, createServer } from "node:net";
import ssh2, { type ServerChannel } from "ssh2";
import type { SshTarget } from "../../src/ssh/types.ts";
import { newKeyPair } from "../support/machines.ts";

export interface Mischief {
  /** What the host does with a command. @default it never answers the request to open a session */
  exec?: (channel: ServerChannel, command: string) => void;
  /** What it does with a stream to one of its ports or sockets. @default it never answers */
  dial?: (channel: ServerChannel) => void;
  /** What it calls itself in the greeting. */
  ident?: string;
}

export interface HostileHost extends AsyncDisposable {
  target: SshTarget;
  /** Commands that it was given. */
  commands: readonly string[];
  /** Ends all connections; later ones meet another host key. */
  changeKey(): void;
}

/** A rented stranger that lets us in and means harm: an SSH server that does with each request what it is told. */
export async function hostileHost(mischief: Mischief): Promise<HostileHost> {
  const { privateKey } = newKeyPair();
  const commands: string[] = [];
  const make = () => {
    const options = { hostKeys: [newKeyPair().privateKey], ident: mischief.ident };
    return new ssh2.Server(options, (client) => {
      client.on("error", () => {});
      client.on("authentication", (attempt) => attempt.accept());
      client.on("session", (accept) => {
        const { exec } = mischief;
        if (!exec) return;
        accept().on("exec", (acceptExec, _reject, { command }) => {
          commands.push(command);
          exec(acceptExec(), command);
        });
      });
      const onDial = (accept: () => ServerChannel) => mischief.dial?.(accept());
      client.on("tcpip", onDial);
      client.on("openssh.streamlocal", onDial);
    });
  };
  let ssh = make();
  const sockets = new Set<import("node:net").Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => sockets.delete(socket));
    ssh.injectSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const drop = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    target: { address: "127.0.0.1", port, user: "root", privateKey, hostKey: undefined },
    commands,
    changeKey() {
      ssh = make();
      drop();
    },
    async [Symbol.asyncDispose]() {
      drop();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** Writes `first` and then a piece again and again for as long as it is let, at the reader's pace. */
export function forever(
  channel: NodeJS.WritableStream & { writable: boolean },
  piece: Buffer | string,
  first: Buffer | string = "",
): void {
  const more = () => {
    while (channel.writable) if (!channel.write(piece)) return void channel.once("drain", more);
  };
  channel.on("error", () => {});
  if (first.length > 0) channel.write(first);
  more();
}

/** Answers a command as a host does that keeps to the rules: it first tells the id that our shell asks for. */
export function answering(channel: ServerChannel, command: string, stdout: string, exitCode = 0): void {
  let heard = command;
  let answered = false;
  const listen = (piece: Buffer | string) => {
    heard += piece;
    const marker = /echo (clore-[0-9a-f]+) /.exec(heard)?.[1];
    if (marker === undefined || answered) return; // a shell that waits for its command
    answered = true;
    channel.stderr.write(`${marker} 1\n`);
    channel.write(`${marker} 1\n${stdout}`);
    channel.exit(exitCode);
    channel.end();
  };
  channel.on("error", () => {});
  channel.on("data", listen);
  listen("");
}

/** The most memory that was in use while something ran, beyond what was in use before, in MB. */
export async function peakMb(run: () => Promise<unknown>): Promise<number> {
  const used = () => {
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  globalThis.gc?.();
  const before = used();
  let peak = before;
  const timer = setInterval(() => {
    peak = Math.max(peak, used());
  }, 20);
  try {
    await run();
  } finally {
    clearInterval(timer);
  }
  return Math.round((Math.max(peak, used()) - before) / 1024 / 1024);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are exactly what must not reach a terminal
export const unprintable = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/;

/** Sets a window's title, moves the cursor, clears the screen, rings, and begins a C1 sequence. */
export const escapes = "\u001b]0;owned\u0007\u001b[2J\u001b[1;1H\u009b31m\b\b\r";
