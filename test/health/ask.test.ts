import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { type AddressInfo, connect, createServer as createTcp } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { askOnce, type HealthQuestion, judge, textAt } from "../../src/health/ask.ts";
import { waitHealthy } from "../../src/health/wait.ts";

interface Judged {
  name: string;
  expect: HealthQuestion["expect"];
  status?: number;
  body?: string;
  latencyMs?: number;
  /** The answer when right, or what is wrong. */
  answer?: string;
  seen?: string;
}

const json = '{"response":"ready","data":[{"id":"m1"}],"empty":"","n":1}';

describe("an answer", () => {
  test.each<Judged>([
    { name: "any 2xx will do", expect: {}, status: 204, body: "", answer: "" },
    { name: "a 3xx is not right by itself", expect: {}, status: 302, body: "moved", seen: "HTTP 302: moved" },
    { name: "unless it is what was asked for", expect: { status: 302 }, status: 302, body: "x", answer: "x" },
    {
      name: "another status than wanted",
      expect: { status: 201 },
      status: 200,
      body: "x",
      seen: "HTTP 200: x",
    },
    {
      name: "an error names what the body says",
      expect: {},
      status: 503,
      body: "no key\n",
      seen: "HTTP 503: no key",
    },
    { name: "text at a path", expect: { jsonText: "response" }, body: json, answer: "ready" },
    { name: "text in a list", expect: { jsonText: "data[0].id" }, body: json, answer: "m1" },
    {
      name: "no text at the path",
      expect: { jsonText: "data[1].id" },
      body: json,
      seen: `HTTP 200 with no text at data[1].id: ${json}`,
    },
    { name: "a body that holds the words", expect: { contains: "m1" }, body: json, answer: json },
    {
      name: "a body without the words",
      expect: { contains: "m2" },
      body: "m1",
      seen: 'HTTP 200 without "m2": m1',
    },
    { name: "fast enough", expect: { withinMs: 50 }, latencyMs: 50, body: "x", answer: "x" },
    {
      name: "right but too slow",
      expect: { withinMs: 50 },
      latencyMs: 51,
      body: "x",
      seen: "answered in 51 ms, more than 50 ms",
    },
    {
      name: "control characters do not reach the terminal",
      expect: {},
      body: "a\u001b[31mb",
      answer: "a\\x1b[31mb",
    },
  ])("$name", ({ expect: wanted, status = 200, body = "", latencyMs = 1, answer, seen }) => {
    const judged = judge(wanted, status, body, latencyMs);
    expect(judged).toEqual(
      seen === undefined ? { ok: true, status, latencyMs, answer } : { ok: false, seen },
    );
  });

  test("a long body is cut in what is shown", () => {
    const judged = judge({}, 500, "x".repeat(10_000), 1);
    expect(judged).toEqual({ ok: false, seen: `HTTP 500: ${"x".repeat(500)}` });
  });
});

test.each([
  ["response", "ready"],
  ["data[0].id", "m1"],
  ["data.0.id", "m1"],
  ["empty", undefined],
  ["n", undefined],
  ["data", undefined],
  ["constructor.name", undefined],
  ["response.length", undefined],
])("the text at %s is %s", (path, text) => expect(textAt(json, path)).toBe(text));

test("there is no text in what is no JSON", () => expect(textAt("<html>", "a")).toBeUndefined());

const servers: { close(): unknown; closeAllConnections?(): void }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections?.();
    server.close();
  }
});

async function serve(answer: RequestListener): Promise<string> {
  const server: Server = createServer(answer).listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const get = (url: string, more: Partial<HealthQuestion> = {}): HealthQuestion => ({
  url,
  method: "GET",
  headers: {},
  json: undefined,
  expect: {},
  ...more,
});
const { signal } = new AbortController();

describe("asking a real server", () => {
  test("sends method, headers and JSON, and reads the answer", async () => {
    const url = await serve((request, response) => {
      let body = "";
      request.on("data", (piece) => {
        body += piece;
      });
      request.on("end", () => {
        const { authorization, "content-type": type, "content-length": length } = request.headers;
        response.end(
          JSON.stringify({
            response: [request.method, request.url, authorization, type, length, body].join(" "),
          }),
        );
      });
    });
    const question = get(`${url}/chat?x=1`, {
      method: "POST",
      headers: { authorization: "Bearer k" },
      json: { message: "é" },
      expect: { jsonText: "response" },
    });
    expect(await askOnce(question, { timeoutMs: 5000, signal })).toMatchObject({
      ok: true,
      status: 200,
      answer: 'POST /chat?x=1 Bearer k application/json 16 {"message":"é"}',
    });
  });

  test("from inside, the given socket carries the request", async () => {
    const url = await serve((_request, response) => response.end("inside"));
    const dialled: unknown[] = [];
    const ssh = {
      dial: async (to: { host: string; port: number } | { socketPath: string }) => {
        dialled.push(to);
        return connect(Number(new URL(url).port), "127.0.0.1");
      },
    };
    const question = get("http://127.0.0.1:81/");
    expect(await askOnce(question, { timeoutMs: 5000, signal, ssh: async () => ssh })).toMatchObject({
      ok: true,
      answer: "inside",
    });
    expect(dialled).toEqual([{ host: "127.0.0.1", port: 81 }]);
  });

  test("a refused connection, silence and a cut are seen and no errors", async () => {
    const gone = await serve(() => {});
    for (const server of servers.splice(0)) server.close();
    expect(await askOnce(get(gone), { timeoutMs: 5000, signal })).toMatchObject({
      ok: false,
      seen: expect.stringContaining("ECONNREFUSED"),
    });
    const silent = await serve(() => {});
    expect(await askOnce(get(silent), { timeoutMs: 80, signal })).toEqual({
      ok: false,
      seen: "no answer within 0.08 s",
    });
    const cut = await serve((request) => request.socket.destroy());
    expect(await askOnce(get(cut), { timeoutMs: 5000, signal })).toMatchObject({ ok: false });
  });

  test("what speaks no HTTP is seen as such", async () => {
    const server = createTcp((socket) => socket.end("SSH-2.0-x\r\n")).listen(0, "127.0.0.1");
    servers.push(server);
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const seen = await askOnce(get(`http://127.0.0.1:${port}/`), { timeoutMs: 5000, signal });
    expect(seen).toMatchObject({ ok: false, seen: expect.stringMatching(/HTTP\/1.1 protocol/i) });
  });

  test("a body without end is cut", async () => {
    const url = await serve((_request, response) => {
      const more = () => response.write("x".repeat(256 * 1024), () => response.destroyed || more());
      more();
    });
    expect(await askOnce(get(url), { timeoutMs: 5000, signal })).toMatchObject({ ok: true, status: 200 });
  });

  test("an abort ends it at once", async () => {
    const url = await serve(() => {});
    const abort = new AbortController();
    const asked = askOnce(get(url), { timeoutMs: 60_000, signal: abort.signal });
    setTimeout(() => abort.abort(new Error("stop")), 20);
    await expect(asked).rejects.toThrow("stop");
  });
});

describe("waiting for a right answer", () => {
  test("asks until it is right and tells what it saw", async () => {
    let calls = 0;
    const url = await serve((_request, response) => {
      calls++;
      response.writeHead(calls < 3 ? 503 : 200).end(calls < 3 ? "starting" : "up");
    });
    const looks: string[] = [];
    const answer = await waitHealthy(get(url), {
      deadlineMs: 10_000,
      signal,
      onLook: (seen) => looks.push(seen),
    });
    expect(answer).toMatchObject({ ok: true, answer: "up" });
    expect(looks).toEqual(["HTTP 503: starting", "HTTP 503: starting"]);
  });

  test("gives up with the last answer, and shows no query", async () => {
    const url = await serve((_request, response) => response.writeHead(401).end('{"error":"who are you"}'));
    await expect(
      waitHealthy(get(`${url}/chat?key=s3cret`), { deadlineMs: 300, signal }),
    ).rejects.toMatchObject({
      code: "health.no-answer",
      message: expect.stringMatching(/^GET http:\/\/127\.0\.0\.1:\d+\/chat: not ready/),
      seen: 'HTTP 401: {"error":"who are you"}',
    });
  });
});
