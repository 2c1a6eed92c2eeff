import { afterEach, expect, test } from "vitest";
import type { Clock } from "../../src/core/clock.ts";
import { appFor, googleKey, sendJson, serveGemini, serveOn, type TestServer } from "./fixtures.ts";

let upstream: TestServer;
afterEach(() => upstream.close());

function handClock(): Clock & { advance(ms: number): void } {
  let now = 1_000_000;
  return {
    now: () => now,
    sleep: () => Promise.reject(new Error("nothing sleeps here")),
    advance: (ms) => {
      now += ms;
    },
  };
}

test("healthz answers without key, upstream or cost", async () => {
  upstream = await serveGemini();
  const { app } = appFor(upstream);
  const response = await app.request("/healthz");
  expect([response.status, await response.json()]).toEqual([200, { status: "ok", version: "dev" }]);
  expect(upstream.requests).toEqual([]);
});

test("readyz asks for the model, without spending tokens", async () => {
  upstream = await serveGemini();
  const response = await appFor(upstream).app.request("/readyz");
  expect([response.status, await response.json()]).toEqual([
    200,
    { status: "ready", upstream: "google", model: "gemini-3.1-flash-lite" },
  ]);
  expect(upstream.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
    "GET /v1beta/models/gemini-3.1-flash-lite",
  ]);
});

test("a wrong Google key: readiness says so, and names the setting", async () => {
  upstream = await serveGemini();
  const { app, lines } = appFor(upstream, { GOOGLE_API_KEY: "AIza-mistyped" });
  const response = await app.request("/readyz");
  expect(response.status).toBe(503);
  const message = "not ready: the Gemini API refused the key in GOOGLE_API_KEY";
  expect(await response.json()).toEqual({
    error: { code: "upstream.key-refused", message, source: "upstream", upstreamStatus: 400 },
    detail: message,
  });
  expect(lines.join("")).not.toContain("AIza-mistyped");
});

test("the upstream's own text, which may name a project, is not shown to everybody", async () => {
  upstream = await serveOn((_, response) =>
    sendJson(response, 403, { error: { message: "API has not been used in project 12345" } }),
  );
  expect(await (await appFor(upstream).app.request("/readyz")).text()).not.toContain("12345");
});

test("a good result stands for 30 s, a bad one for 5 s", async () => {
  let good = true;
  upstream = await serveOn((_, response) => sendJson(response, good ? 200 : 500, { name: "models/m" }));
  const clock = handClock();
  const { app } = appFor(upstream, {}, { clock });
  const status = async () => (await app.request("/readyz")).status;

  expect(await status()).toBe(200);
  good = false;
  clock.advance(29_999);
  expect(await status()).toBe(200);
  expect(upstream.requests.length).toBe(1);
  clock.advance(1);
  expect(await status()).toBe(503);
  good = true;
  clock.advance(4_999);
  expect(await status()).toBe(503);
  expect(upstream.requests.length).toBe(2);
  clock.advance(1);
  expect(await status()).toBe(200);
});

test("many probes at once make one call", async () => {
  upstream = await serveGemini();
  const { app } = appFor(upstream);
  const answers = await Promise.all(Array.from({ length: 20 }, () => app.request("/readyz")));
  expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([200]));
  expect(upstream.requests.length).toBe(1);
});

// Seen in the routes of gateways that resell Gemini: /v1beta/models is there, /v1beta/models/<id> is not.
test.each([
  { name: "lists the model", listed: ["models/other", "models/gemini-3.1-flash-lite"], status: 200 },
  { name: "lists it without a prefix", listed: ["gemini-3.1-flash-lite"], status: 200 },
  { name: "does not list it", listed: ["models/other"], status: 503 },
])("a gateway that cannot be asked for one model and $name: $status", async ({ listed, status }) => {
  upstream = await serveOn(({ path }, response) => {
    if (path.startsWith("/v1beta/models?"))
      sendJson(response, 200, { models: listed.map((name) => ({ name })) });
    else response.writeHead(404, { "content-type": "text/html" }).end("404 page not found");
  });
  const env = { UPSTREAM: "cometapi", GOOGLE_API_KEY: "", COMETAPI_KEY: googleKey };
  const response = await appFor(upstream, env).app.request("/readyz");
  expect(response.status).toBe(status);
  if (status === 503)
    expect(await response.json()).toMatchObject({ error: { code: "upstream.model-unknown" } });
});
