import { type ChildProcess, spawn } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { startProxy } from "../../src/proxy/server.ts";
import { bundleProxy } from "../../tools/bundle.ts";
import {
  configFor,
  geminiAnswer,
  googleKey,
  proxyKey,
  type Seen,
  sendJson,
  serveGemini,
  serveOn,
  type TestServer,
} from "./fixtures.ts";

// The bundled file as it runs on a server: a process of its own, outside of node_modules, over real sockets.
const folder = mkdtempSync(join(tmpdir(), "proxy-server-"));
const bundled = join(folder, "proxy.mjs");
let upstream: TestServer;
let children: ChildProcess[] = [];

beforeAll(async () => {
  copyFileSync((await bundleProxy()).path, bundled);
});
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(async () => {
  upstream = await serveGemini();
});
afterEach(async () => {
  for (const child of children) child.kill("SIGKILL");
  children = [];
  await upstream.close();
});

/** Starts the bundled proxy and waits until it listens or ends. */
async function run(env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [bundled], {
    cwd: folder,
    env: {
      GOOGLE_API_KEY: googleKey,
      PROXY_API_KEYS: proxyKey,
      UPSTREAM_BASE_URL: upstream.url,
      PORT: "0",
      HOST: "127.0.0.1",
      LOG_LEVEL: "debug",
      ...env,
    },
  });
  children.push(child);
  const proxy = { child, output: "", url: "", port: 0, exit: Promise.resolve<number | null>(null) };
  const collect = (chunk: Buffer) => {
    proxy.output += chunk;
  };
  child.stdout.on("data", collect);
  child.stderr.on("data", collect);
  proxy.exit = new Promise((resolve) => child.once("close", resolve));
  await Promise.race([proxy.exit, logged(proxy, "listening")]);
  proxy.port = Number(/"port":(\d+)/.exec(proxy.output)?.[1]);
  proxy.url = `http://127.0.0.1:${proxy.port}`;
  return proxy;
}
type Running = Awaited<ReturnType<typeof run>>;

function logged(proxy: Pick<Running, "child" | "output">, text: string): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (!proxy.output.includes(text)) return;
      proxy.child.stdout!.off("data", look);
      resolve();
    };
    proxy.child.stdout!.on("data", look);
    look();
  });
}

function chat(proxy: Running, message: string, init: RequestInit = {}): Promise<Response> {
  return fetch(`${proxy.url}/chat`, {
    method: "POST",
    headers: { authorization: `Bearer ${proxyKey}`, "content-type": "application/json" },
    body: JSON.stringify({ message }),
    ...init,
  });
}

/** An upstream that keeps a question until it is released, and tells when its connection was closed. */
async function holdingUpstream() {
  await upstream.close();
  const { promise: asked, resolve: onAsked } = Promise.withResolvers<void>();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const { promise: cut, resolve: onCut } = Promise.withResolvers<void>();
  upstream = await serveOn(async (_: Seen, response) => {
    response.once("close", () => {
      if (!response.writableFinished) onCut();
    });
    onAsked();
    await released;
    sendJson(response, 200, geminiAnswer("late but here"));
  });
  return { asked, release, cut };
}

test("it serves health, readiness and chat, with its version and no key in its output", async () => {
  const proxy = await run();
  const health = await (await fetch(`${proxy.url}/healthz`)).json();
  expect(health).toEqual({ status: "ok", version: expect.stringMatching(/^\d+\.\d+\.\d+\+[\da-f]{12}$/) });
  expect((await fetch(`${proxy.url}/readyz`)).status).toBe(200);
  const response = await chat(proxy, "what is private");
  expect([response.status, await response.json()]).toEqual([
    200,
    { response: "Hello from the stand-in", model: "gemini-3.1-flash-lite" },
  ]);
  expect((await chat(proxy, "x", { headers: { authorization: "Bearer wrong-guess" } })).status).toBe(401);
  proxy.child.kill("SIGTERM");
  expect(await proxy.exit).toBe(0);
  const events = proxy.output.trim().split("\n");
  expect(events.map((line) => JSON.parse(line).event)).toEqual([
    "listening",
    ...Array.from({ length: 4 }, () => "request"),
    "stopping",
    "stopped",
  ]);
  expect(proxy.output).not.toMatch(new RegExp(`${googleKey}|${proxyKey}|wrong-guess|private|Hello`));
});

test("wrong settings: all of them at once, exit code 2, no secret", async () => {
  const proxy = await run({ PORT: "eighty", PROXY_API_KEYS: "", LOG_LEVEL: "loud" });
  expect(await proxy.exit).toBe(2);
  expect(proxy.output).toBe(
    [
      "proxy.config: the proxy cannot start:",
      "  PORT: must be a whole number from 0 to 65535",
      "  LOG_LEVEL: must be one of debug, info, warn, error, silent",
      "  PROXY_API_KEYS: must be set (or PROXY_API_KEYS_FILE, the path of a file that holds it)",
      "",
    ].join("\n"),
  );
});

test("a taken port is said in three lines, exit code 1", async () => {
  const proxy = await run({ PORT: String(upstream.port) });
  expect(await proxy.exit).toBe(1);
  expect(proxy.output).toBe(
    [
      `proxy.listen: 127.0.0.1:${upstream.port} is taken`,
      "  seen: EADDRINUSE",
      "  hint: set PORT to a free port, HOST to an address of this machine",
      "",
    ].join("\n"),
  );
});

test("SIGTERM lets a running request end, takes no new one, and exits 0", async () => {
  const { asked, release } = await holdingUpstream();
  const proxy = await run();
  const answer = chat(proxy, "Hi");
  await asked;
  proxy.child.kill("SIGTERM");
  await logged(proxy, "stopping");
  await expect(fetch(`${proxy.url}/healthz`)).rejects.toThrow("fetch failed");
  release();
  expect(await (await answer).json()).toMatchObject({ response: "late but here" });
  const answered = performance.now();
  expect(await proxy.exit).toBe(0);
  expect(performance.now() - answered, "the client's kept connection is not waited for").toBeLessThan(2000);
});

test("what does not end within the grace time is cut", async () => {
  const { asked } = await holdingUpstream();
  const proxy = await startProxy(configFor(upstream), { log: () => {} });
  const answer = fetch(`http://127.0.0.1:${proxy.port}/chat`, {
    method: "POST",
    headers: { "x-api-key": proxyKey, "content-type": "application/json" },
    body: '{"message":"Hi"}',
  });
  const refused = expect(answer).rejects.toThrow("fetch failed");
  await asked;
  await proxy.stop(20);
  await refused;
});

test("a client that goes away cancels the call at the upstream", async () => {
  const { asked, cut } = await holdingUpstream();
  const proxy = await run();
  const client = new AbortController();
  const answer = chat(proxy, "Hi", { signal: client.signal });
  await asked;
  client.abort();
  await expect(answer).rejects.toThrow("aborted");
  await cut;
  await logged(proxy, '"status":499');
});

test("a body that is too large is refused, with and without its length told", async () => {
  const proxy = await run({ MAX_BODY_BYTES: "1024" });
  const send = (headers: http.OutgoingHttpHeaders) =>
    new Promise<number | undefined>((resolve, reject) => {
      const all = { "x-api-key": proxyKey, "content-type": "application/json", ...headers };
      const request = http.request(`${proxy.url}/chat`, { method: "POST", headers: all, agent: false });
      request.on("response", (response) => {
        resolve(response.statusCode);
        request.destroy();
      });
      request.on("error", reject);
      request.end(Buffer.alloc(200_000, "x"));
    });
  expect(await send({ "content-length": 200_000 })).toBe(413);
  expect(await send({ "transfer-encoding": "chunked" })).toBe(413);
  expect((await fetch(`${proxy.url}/healthz`)).status).toBe(200);
});

test("rubbish on the socket harms nobody", async () => {
  const proxy = await run();
  for (const rubbish of [
    "\x16\x03\x01\x02",
    "GET / HTTP/1.1\r\n\r\n",
    "POST /chat HTTP/1.1\r\nhost: \\\r\n\r\n",
  ]) {
    await new Promise<void>((resolve, reject) => {
      const socket = connect(proxy.port, "127.0.0.1", () => socket.end(rubbish));
      socket.resume().once("close", () => resolve());
      socket.once("error", reject);
    });
  }
  expect((await chat(proxy, "Hi")).status).toBe(200);
});
