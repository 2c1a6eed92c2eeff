import { once } from "node:events";
import { type AddressInfo, createServer, type Socket, connect as tcpConnect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startRelay } from "./relay.ts";

/** Sends everything back, and ends when its peer does. */
const echo = createServer((socket) => socket.on("error", () => {}).pipe(socket));
let port: number;
beforeAll(async () => {
  echo.listen(0, "127.0.0.1");
  await once(echo, "listening");
  port = (echo.address() as AddressInfo).port;
});
afterAll(() => echo.close());

/** Milliseconds until everything sent has come back. */
async function roundTrip(socket: Socket, bytes: number): Promise<number> {
  const start = performance.now();
  let left = bytes;
  const { promise, resolve } = Promise.withResolvers<void>();
  const take = (data: Buffer) => {
    left -= data.length;
    if (left === 0) resolve();
  };
  socket.on("data", take).write(Buffer.alloc(bytes, 7));
  await promise;
  socket.off("data", take);
  return performance.now() - start;
}

describe("a relay", () => {
  test("delays each direction by its own time, connecting as TCP does", async () => {
    await using relay = await startRelay(port, { delayMs: { up: 60, down: 20 } });
    const socket = tcpConnect(relay.port, "127.0.0.1");
    // SYN, SYN-ACK and, with the ACK, what was sent: there after 140 ms, back after 160.
    expect(await roundTrip(socket, 1)).toBeGreaterThanOrEqual(159);
    const warm = await roundTrip(socket, 1);
    expect(warm).toBeGreaterThanOrEqual(79);
    expect(warm).toBeLessThan(150);
    socket.destroy();
  });

  test("carries 30 MB in little more than its delay: it is long, not narrow", async () => {
    await using relay = await startRelay(port, { delayMs: 200 });
    const socket = tcpConnect(relay.port, "127.0.0.1");
    await roundTrip(socket, 1);
    // A window of 2 MB would take 15 round trips: 6 s.
    expect(await roundTrip(socket, 30_000_000)).toBeLessThan(2_500);
    socket.destroy();
  });

  test("is as narrow as it is told", async () => {
    await using relay = await startRelay(port, { bytesPerSecond: 1_000_000 });
    const socket = tcpConnect(relay.port, "127.0.0.1");
    expect(await roundTrip(socket, 200_000)).toBeGreaterThanOrEqual(199);
    expect(relay.bytes).toBe(400_000);
    socket.destroy();
  });

  test.each(["fin", "rst"] as const)("cuts: %s", async (how) => {
    await using relay = await startRelay(port);
    const socket = tcpConnect(relay.port, "127.0.0.1");
    await roundTrip(socket, 1);
    const ended = new Promise<string>((resolve) => {
      socket.once("end", () => resolve("fin"));
      socket.once("error", (error: NodeJS.ErrnoException) =>
        resolve(error.code === "ECONNRESET" ? "rst" : ""),
      );
    });
    relay.cut(how);
    expect(await ended).toBe(how);
    const next = tcpConnect(relay.port, "127.0.0.1");
    await roundTrip(next, 1);
    expect(relay.connections).toBe(2);
    next.destroy();
  });

  test("goes silent without closing; new connections work", async () => {
    await using relay = await startRelay(port);
    const socket = tcpConnect(relay.port, "127.0.0.1");
    await roundTrip(socket, 1);
    relay.silence();
    let heard = false;
    socket.on("data", () => {
      heard = true;
    });
    socket.on("close", () => {
      heard = true;
    });
    socket.write("anybody?");
    const next = tcpConnect(relay.port, "127.0.0.1");
    await roundTrip(next, 100);
    expect(heard).toBe(false);
    for (const each of [socket, next]) each.removeAllListeners("close").destroy();
  });

  test("passes an end on", async () => {
    await using relay = await startRelay(port, { delayMs: 5 });
    const socket = tcpConnect(relay.port, "127.0.0.1");
    socket.end("bye");
    let back = "";
    for await (const data of socket) back += data;
    expect(back).toBe("bye");
  });
});
