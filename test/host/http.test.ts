import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { httpOnHost } from "../../src/host/http.ts";
import { freePort } from "../support/sshd.ts";
import { startHost, type TestHost } from "./support.ts";

let host: TestHost;
let server: (Server & { closeAllConnections?: () => void }) | undefined;

beforeAll(async () => {
  host = await startHost();
});
afterEach(() => {
  server?.closeAllConnections?.();
  server?.close();
  server = undefined;
});
afterAll(async () => {
  await host[Symbol.asyncDispose]();
});

async function serve(listener: RequestListener): Promise<number> {
  return listen(createServer(listener));
}

async function listen(made: Server): Promise<number> {
  server = made.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

describe("a request from inside the host", () => {
  test("gives status, headers and body, and sends method, headers and body", async () => {
    const port = await serve(async (request, response) => {
      const body = (await request.toArray()).join("");
      response.writeHead(503, { "x-method": request.method });
      response.end(`${request.url} ${request.headers["x-key"]} ${body}`);
    });
    const answer = await httpOnHost(host.ssh, {
      port,
      path: "/a?b=c",
      method: "POST",
      headers: { "x-key": "1" },
      body: "hello",
      timeoutMs: 5000,
    });
    expect(answer).toMatchObject({ status: 503, body: "/a?b=c 1 hello", cut: false });
    expect(answer.headers["x-method"]).toBe("POST");
  });

  test("cuts an endless body", async () => {
    const port = await serve((_request, response) => {
      const more = () => {
        while (response.write("x".repeat(1000)));
        response.once("drain", more);
      };
      more();
    });
    const answer = await httpOnHost(host.ssh, { port, path: "/", timeoutMs: 5000, maxBodyBytes: 1500 });
    expect(answer).toMatchObject({ status: 200, body: "x".repeat(1500), cut: true });
  });

  test("fails when nothing listens", async () => {
    const port = await freePort();
    await expect(httpOnHost(host.ssh, { port, path: "/", timeoutMs: 5000 })).rejects.toMatchObject({
      code: "host.http-failed",
      message: `GET http://127.0.0.1:${port}/ on the host failed`,
      retry: "later",
    });
  });

  test("fails when no answer comes in time", async () => {
    const port = await listen(createTcpServer(() => {}));
    await expect(httpOnHost(host.ssh, { port, path: "/", timeoutMs: 100 })).rejects.toMatchObject({
      code: "host.http-failed",
      seen: "no answer in 0.1 s",
    });
  });

  test("fails when the body stops half-way", async () => {
    const port = await serve((_request, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("half");
      setTimeout(() => response.destroy(), 20);
    });
    await expect(httpOnHost(host.ssh, { port, path: "/", timeoutMs: 5000 })).rejects.toMatchObject({
      code: "host.http-failed",
    });
  });

  test("fails when the answer is no HTTP, and shows nothing that a terminal would obey", async () => {
    const port = await listen(createTcpServer((socket) => socket.end("\u001b[2JSSH-2.0\r\n")));
    await expect(httpOnHost(host.ssh, { port, path: "/", timeoutMs: 5000 })).rejects.toMatchObject({
      code: "host.http-failed",
      seen: expect.not.stringContaining("\u001b"),
    });
  });

  test("ends with the caller's reason when it is cancelled", async () => {
    const port = await listen(createTcpServer(() => {}));
    const reason = new Error("enough");
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 50);
    const request = httpOnHost(host.ssh, { port, path: "/", timeoutMs: 5000, signal: controller.signal });
    await expect(request).rejects.toBe(reason);
  });
});
