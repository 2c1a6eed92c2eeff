import { once } from "node:events";
import { type AddressInfo, createServer, type Socket, connect as tcpConnect } from "node:net";
import ssh2, { type Session } from "ssh2";
import type { CloreError } from "../../src/core/errors.ts";
import { generateKeyPair } from "../../src/ssh/keypair.ts";

/** A TCP server on loopback that treats every connection the same (bad) way. */
export interface FaultyServer extends AsyncDisposable {
  port: number;
  connections(): number;
  /** Waits until no connection is open. */
  allClosed(): Promise<void>;
}

export async function faultyServer(treat: (socket: Socket, nth: number) => void): Promise<FaultyServer> {
  const sockets = new Set<Socket>();
  let count = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => sockets.delete(socket));
    treat(socket, ++count);
    socket.resume(); // an end is seen only by who reads
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => count,
    async allClosed() {
      for (const socket of sockets) if (!socket.closed) await once(socket, "close");
    },
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** A line to a real server that can be cut (RST) or go silent (half-open: bytes vanish, nobody closes). */
export interface Line extends FaultyServer {
  cut(): void;
  silence(): void;
  /** Closes as a dying host does (FIN). */
  hangUp(): void;
}

export async function lineTo(port: number): Promise<Line> {
  const pairs = new Set<{ near: Socket; far: Socket; silent: boolean }>();
  const server = await faultyServer((near) => {
    const far = tcpConnect({ port, host: "127.0.0.1" });
    far.on("error", () => near.destroy());
    const pair = { near, far, silent: false };
    pairs.add(pair);
    near.on("data", (data) => pair.silent || far.write(data));
    far.on("data", (data) => pair.silent || near.write(data));
    near.once("close", () => {
      pairs.delete(pair);
      far.destroy();
    });
    far.once("close", () => pair.silent || near.destroy());
  });
  return {
    ...server,
    connections: server.connections,
    cut() {
      for (const { near } of pairs) near.resetAndDestroy();
    },
    hangUp() {
      for (const { near } of pairs) near.end();
    },
    silence() {
      for (const pair of pairs) pair.silent = true; // connections made from now on work again
    },
    [Symbol.asyncDispose]: server[Symbol.asyncDispose],
  };
}

/** An SSH server that lets everybody in and does with sessions what the test says. */
export async function bareServer(
  treat: (session: Session, hangUp: () => void) => void,
): Promise<{ port: number } & AsyncDisposable> {
  const server = new ssh2.Server({ hostKeys: [generateKeyPair().privateKey] }, (client) => {
    client.on("error", () => {});
    client.on("authentication", (attempt) => attempt.accept());
    client.on("session", (accept) => treat(accept(), () => client.end()));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => void server.close(),
  };
}

/** The error of a promise that must fail. */
export async function failure(promise: Promise<unknown>): Promise<CloreError> {
  try {
    await promise;
  } catch (error) {
    return error as CloreError;
  }
  throw new Error("it did not fail");
}
