import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Forward } from "./types.ts";

/** Listens on 127.0.0.1 and joins every connection to a stream from `dial`. A failed dial resets its connection. */
export async function listenFor(dial: () => Promise<Duplex>, onClose: () => void): Promise<Forward> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    dial().then(
      (remote) => (socket.destroyed ? remote.destroy() : join(socket, remote)),
      () => socket.resetAndDestroy(),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    localPort: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      onClose();
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Carries bytes both ways with backpressure; an end on one side is passed on alone, an error ends both. */
function join(socket: Socket, remote: Duplex): void {
  socket.pipe(remote).pipe(socket);
  remote.on("error", () => socket.resetAndDestroy());
  remote.once("close", () => {
    if (!socket.writableEnded) socket.destroy();
  });
  socket.once("close", () => remote.destroy());
}
