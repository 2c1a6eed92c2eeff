import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket, connect as tcpConnect } from "node:net";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect } from "../../src/ssh/connect.ts";
import type { SshConnection } from "../../src/ssh/types.ts";
import { freePort, type Sshd, startSshd } from "../support/sshd.ts";
import { failure, lineTo } from "./faults.ts";

const quick = { timeoutMs: 5_000 };
let sshd: Sshd;
let ssh: SshConnection;
beforeAll(async () => {
  sshd = await startSshd();
  ssh = await connect(sshd.target, { timeoutMs: 10_000 });
});
afterAll(async () => {
  await ssh?.close();
  await sshd?.[Symbol.asyncDispose]();
});

/** A service "on the host": gives its port and what it is doing with each connection. */
async function service(serve: (socket: Socket) => void): Promise<{ port: number } & AsyncDisposable> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    serve(socket);
  });
  await listen(server, { port: 0, host: "127.0.0.1" });
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => void server.close(),
  };
}

async function listen(server: Server, on: { port: number; host: string } | { path: string }): Promise<void> {
  server.listen(on);
  await once(server, "listening");
}

const echo = (socket: Socket) => void socket.pipe(socket);
/** Answers only when the question has ended: works only where one side can end alone. */
const answerAtEnd = async (socket: Socket) => void socket.end(`${(await buffer(socket)).length} bytes`);

describe("a stream", () => {
  test("reaches a TCP port of the host, and each side ends alone", async () => {
    await using there = await service(answerAtEnd);
    const stream = await ssh.dial({ host: "127.0.0.1", port: there.port });
    stream.end("12345");
    expect(await text(stream)).toBe("5 bytes");
    if (!stream.closed) await once(stream, "close");
  });

  test("reaches a unix socket of the host", async () => {
    const path = join(sshd.folder, "echo socket");
    const server = createServer({ allowHalfOpen: true }, echo);
    await listen(server, { path });
    const stream = await ssh.dial({ socketPath: path });
    stream.end("over a socket");
    expect(await text(stream)).toBe("over a socket");
    server.close();
  });

  test("carries 20 MB each way unharmed", async () => {
    await using there = await service(echo);
    const sent = randomBytes(20_000_000);
    const stream = await ssh.dial({ host: "127.0.0.1", port: there.port });
    stream.end(sent);
    const digest = (data: Buffer) => createHash("sha256").update(data).digest("hex");
    expect(digest(await buffer(stream))).toBe(digest(sent));
  });

  test("does not read ahead of its reader without bound", async () => {
    let accepted = 0;
    const block = Buffer.alloc(64 * 1024);
    await using there = await service((socket) => {
      const more = () => {
        while (socket.writable && socket.write(block)) accepted += block.length;
        accepted += block.length;
      };
      socket.on("drain", more);
      more();
    });
    const stream = await ssh.dial({ host: "127.0.0.1", port: there.port });
    let before = -1;
    while (accepted !== before) {
      before = accepted;
      await delay(150);
    }
    expect(accepted).toBeLessThan(32 * 1024 * 1024); // windows and kernel buffers, then it stands
    const standing = accepted;
    stream.on("data", () => {});
    await delay(100);
    expect(accepted).toBeGreaterThan(standing); // and goes on when read
    stream.destroy();
  });

  test("what the host had sent before it closed can still be read", async () => {
    await using there = await service((socket) => void socket.end("last words"));
    const stream = await ssh.dial({ host: "127.0.0.1", port: there.port });
    await delay(50);
    expect(await text(stream)).toBe("last words");
  });

  test("destroy reaches the service", async () => {
    const gone = Promise.withResolvers<void>();
    await using there = await service((socket) => {
      socket.resume();
      socket.once("end", gone.resolve);
    });
    const stream = await ssh.dial({ host: "127.0.0.1", port: there.port });
    stream.destroy();
    await gone.promise;
  });

  test.each<{ name: string; to: () => Promise<Parameters<SshConnection["dial"]>[0]> }>([
    { name: "a port nobody listens on", to: async () => ({ host: "127.0.0.1", port: await freePort() }) },
    { name: "a socket that is not there", to: async () => ({ socketPath: "/nowhere/docker.sock" }) },
  ])("to $name is a typed error", async ({ to }) => {
    const error = await failure(ssh.dial(await to()));
    expect(error).toMatchObject({ code: "ssh.dial-failed", retry: "later" });
  });

  test("of a connection that was closed here is closed without an error nobody waits for", async () => {
    await using there = await service(echo);
    const connection = await connect(sshd.target, quick);
    const stream = await connection.dial({ host: "127.0.0.1", port: there.port });
    const closed = once(stream, "close");
    await connection.close();
    await closed;
    expect(stream.readableEnded).toBe(false);
  });

  test("of a lost connection ends with an error, not as if it were complete", async () => {
    await using there = await service((socket) => void socket.write("half an ans"));
    await using line = await lineTo(sshd.target.port);
    await using through = await connect({ ...sshd.target, port: line.port }, quick);
    const stream = await through.dial({ host: "127.0.0.1", port: there.port });
    await once(stream, "readable");
    line.cut();
    expect((await failure(text(stream))).code).toBe("ssh.lost");
    const again = await through.dial({ host: "127.0.0.1", port: there.port });
    again.destroy();
  });
});

describe("a forward", () => {
  const ask = async (port: number, question: string): Promise<string> => {
    const socket: Duplex = tcpConnect({ port, host: "127.0.0.1", allowHalfOpen: true });
    socket.end(question);
    return text(socket);
  };

  test("carries many connections, also after the SSH connection was lost", async () => {
    await using there = await service(answerAtEnd);
    await using line = await lineTo(sshd.target.port);
    await using through = await connect({ ...sshd.target, port: line.port }, quick);
    await using forward = await through.forward({ host: "127.0.0.1", port: there.port });
    const questions = Array.from({ length: 15 }, (_, i) => "x".repeat(i * 10_000));
    const answers = await Promise.all(questions.map((question) => ask(forward.localPort, question)));
    expect(answers).toEqual(questions.map((question) => `${question.length} bytes`));
    line.cut();
    await delay(30);
    expect(await ask(forward.localPort, "again")).toBe("5 bytes");
  });

  test("resets a connection whose target is not there", async () => {
    await using forward = await ssh.forward({ host: "127.0.0.1", port: await freePort() });
    expect((await failure(ask(forward.localPort, "?"))).message).toMatch(/ECONNRESET/);
  });

  test("listens no more after it was closed, or the connection was", async () => {
    await using there = await service(echo);
    const connection = await connect(sshd.target, quick);
    const first = await connection.forward({ host: "127.0.0.1", port: there.port });
    await first[Symbol.asyncDispose]();
    expect((await failure(ask(first.localPort, "?"))).message).toMatch(/ECONNREFUSED/);
    const second = await connection.forward({ host: "127.0.0.1", port: there.port });
    const open = tcpConnect({ port: second.localPort, host: "127.0.0.1" });
    open.on("error", () => {});
    await once(open, "connect");
    await connection.close();
    if (!open.closed) await once(open, "close");
    expect((await failure(ask(second.localPort, "?"))).message).toMatch(/ECONNREFUSED/);
  });
});
