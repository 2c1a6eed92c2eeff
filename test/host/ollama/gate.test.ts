import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePort } from "../../support/sshd.ts";

const gate = fileURLToPath(new URL("../../../templates/ollama/gate.mjs", import.meta.url));
let behind: Server;
let door: ChildProcess;
let url: string;
const seen: { path: string | undefined; authorization: string | undefined; body: string }[] = [];

/** In place of Ollama: notes what reaches it and answers piece by piece. */
beforeAll(async () => {
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    seen.push({ path: request.url, authorization: request.headers.authorization, body });
    response.writeHead(200, { "content-type": "application/x-ndjson" });
    for (const piece of ["one\n", "two\n"]) {
      response.write(piece);
      await delay(100);
    }
    response.end();
  };
  behind = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy()); // the door cuts what is too large
  });
  await new Promise<void>((resolve) => behind.listen(0, "127.0.0.1", resolve));
  const port = await freePort();
  const env = {
    ...process.env,
    PORT: String(port),
    OLLAMA_PORT: String((behind.address() as AddressInfo).port),
    GATE_KEYS: "right,second",
  };
  door = spawn(process.execPath, [gate], { env, stdio: ["ignore", "pipe", "inherit"] });
  await once(door.stdout!, "data");
  url = `http://127.0.0.1:${port}`;
});
afterAll(async () => {
  const gone = once(door, "exit");
  door.kill("SIGTERM");
  await gone;
  await new Promise((resolve) => behind.close(resolve));
});

const ask = (path: string, key?: string, init: RequestInit = {}) =>
  fetch(url + path, { headers: key === undefined ? {} : { authorization: `Bearer ${key}` }, ...init });

test.each([undefined, "", "wrong", "right2", "right,second"])(
  "the key %j does not open the door",
  async (key) => {
    const before = seen.length;
    const response = await ask("/v1/chat/completions", key, { method: "POST" });
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ error: { code: "auth.wrong" } });
    expect(seen.length).toBe(before);
  },
);

test.each(["right", "second"])("the key %j does, and does not reach Ollama", async (key) => {
  const response = await ask("/api/chat?x=1", key, { method: "POST", body: '{"a":1}' });
  expect(await response.text()).toBe("one\ntwo\n");
  expect(seen.at(-1)).toEqual({ path: "/api/chat?x=1", authorization: undefined, body: '{"a":1}' });
});

test.each([
  "/api/pull",
  "/api/delete",
  "/api/create",
  "/api/push",
  "/api/copy",
  "/api/blobs/sha256:aa",
  "/",
  "/v1/../api/pull",
])("%s is not to be had from outside, with the right key either", async (path) => {
  const before = seen.length;
  expect((await ask(path, "right", { method: "POST" })).status).toBe(403);
  expect(seen.length).toBe(before);
});

test("an answer is passed on piece by piece", async () => {
  const response = await ask("/api/generate", "right", { method: "POST" });
  const pieces = [];
  for await (const piece of response.body!) pieces.push(Buffer.from(piece).toString());
  expect(pieces).toEqual(["one\n", "two\n"]);
});

test("a body larger than 32 MiB is refused", async () => {
  const response = await ask("/api/chat", "right", {
    method: "POST",
    body: Buffer.alloc(33 * 1024 * 1024),
  }).then(
    ({ status }) => status,
    () => "cut",
  );
  expect([413, "cut"]).toContain(response);
});

test("says that it is up without a key, and nothing else", async () => {
  expect(await (await ask("/healthz")).text()).toBe("ok\n");
});

test("without a key to ask for it does not start", async () => {
  const child = spawn(process.execPath, [gate], {
    env: { ...process.env, PORT: "0", GATE_KEYS: "" },
    stdio: "ignore",
  });
  expect((await once(child, "exit"))[0]).toBe(2);
});
