import { afterEach, describe, expect, test } from "vitest";
import type { ErrorBody } from "../../src/proxy/errors.ts";
import {
  appFor,
  geminiAnswer,
  googleKey,
  otherProxyKey,
  proxyKey,
  type Seen,
  sendJson,
  serveGemini,
  serveOn,
  type TestServer,
  wrongKeyAnswer,
} from "./fixtures.ts";

let upstream: TestServer;
afterEach(() => upstream.close());

describe("what is asked and answered", () => {
  test("the guide's request reaches the model with its defaults", async () => {
    upstream = await serveGemini();
    const response = await appFor(upstream).chat({ message: "Hi" });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      response: "Hello from the stand-in",
      model: "gemini-3.1-flash-lite",
    });
    const [asked] = upstream.requests;
    expect(asked!.path).toBe("/v1beta/models/gemini-3.1-flash-lite:generateContent");
    expect(asked!.headers["x-goog-api-key"]).toBe(googleKey);
    expect(asked!.body).toEqual({
      contents: [{ role: "user", parts: [{ text: "Hi" }] }],
      systemInstruction: expect.objectContaining({ parts: [{ text: "You are a helpful assistant." }] }),
      generationConfig: { temperature: 0.7, maxOutputTokens: 2048 },
    });
  });

  test("system_prompt, max_tokens and MODEL are handed on", async () => {
    upstream = await serveGemini();
    const { chat } = appFor(upstream, { MODEL: "gemini-3.1-flash-lite-preview" });
    const response = await chat({ message: "Hi", system_prompt: "Be brief.", max_tokens: 7, extra: 1 });
    expect(await response.json()).toMatchObject({ model: "gemini-3.1-flash-lite-preview" });
    const [asked] = upstream.requests;
    expect(asked!.path).toContain("/gemini-3.1-flash-lite-preview:");
    expect(asked!.body.systemInstruction.parts).toEqual([{ text: "Be brief." }]);
    expect(asked!.body.generationConfig.maxOutputTokens).toBe(7);
  });

  test("thoughts are left out of the answer and counted as output", async () => {
    upstream = await serveOn((_, response) => {
      const answer = geminiAnswer("42");
      answer.candidates[0]!.content.parts.unshift({ text: "let me think", thought: true } as never);
      sendJson(response, 200, answer);
    });
    const { chat, logged } = appFor(upstream);
    expect(await (await chat({ message: "Hi" })).json()).toMatchObject({ response: "42" });
    expect(logged()).toMatchObject([{ event: "request", status: 200, tokensIn: 11, tokensOut: 7 }]);
  });
});

describe("bad input", () => {
  test.each<{ name: string; body: unknown; headers?: Record<string, string>; status: number; text: string }>([
    { name: "no JSON", body: "{", status: 400, text: "the body is no JSON" },
    { name: "not an object", body: "[]", status: 422, text: "body: must be an object" },
    { name: "no message", body: {}, status: 422, text: "message: must be a string" },
    { name: "empty message", body: { message: "" }, status: 422, text: "message: must not be empty" },
    {
      name: "several mistakes",
      body: { message: 1, max_tokens: 0.5 },
      status: 422,
      text: "message: must be a string; max_tokens: must be a whole number from 1 to 65536",
    },
    {
      name: "too many tokens",
      body: { message: "x", max_tokens: 65_537 },
      status: 422,
      text: "max_tokens: must be a whole number from 1 to 65536",
    },
    {
      name: "a form",
      body: "message=x",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      status: 415,
      text: "send JSON with Content-Type: application/json",
    },
    {
      name: "a large body",
      body: { message: "x".repeat(1100) },
      status: 413,
      text: "the body is larger than 1024 bytes",
    },
  ])("$name is $status and costs no call", async ({ body, headers, status, text }) => {
    upstream = await serveGemini();
    const response = await appFor(upstream, { MAX_BODY_BYTES: "1024" }).chat(body, headers);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ error: { source: "proxy", message: text }, detail: text });
    expect(upstream.requests).toEqual([]);
  });
});

describe("keys", () => {
  test.each([
    { name: "none", headers: {}, status: 401 },
    { name: "a wrong one", headers: { authorization: "Bearer nope" }, status: 401 },
    { name: "a part of one", headers: { authorization: `Bearer ${proxyKey.slice(0, -1)}` }, status: 401 },
    { name: "both at once", headers: { authorization: `Bearer ${proxyKey}, ${otherProxyKey}` }, status: 401 },
    { name: "another scheme", headers: { authorization: `Basic ${proxyKey}` }, status: 401 },
    { name: "the upstream's", headers: { authorization: `Bearer ${googleKey}` }, status: 401 },
    { name: "the first", headers: { authorization: `Bearer ${proxyKey}` }, status: 200 },
    { name: "the second", headers: { authorization: `bearer ${otherProxyKey}` }, status: 200 },
    { name: "x-api-key", headers: { "x-api-key": otherProxyKey }, status: 200 },
  ])("$name: $status", async ({ headers, status }) => {
    upstream = await serveGemini();
    const { app } = appFor(upstream);
    const response = await app.request("/chat", {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: '{"message":"Hi"}',
    });
    expect(response.status).toBe(status);
    if (status === 401) expect(response.headers.get("www-authenticate")).toBe("Bearer");
    expect(upstream.requests.length).toBe(status === 200 ? 1 : 0);
  });

  test("unknown paths need a key too, and are then 404 in JSON", async () => {
    upstream = await serveGemini();
    const { app } = appFor(upstream);
    expect((await app.request("/docs")).status).toBe(401);
    const response = await app.request("/docs", { headers: { "x-api-key": proxyKey } });
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ error: { code: "input.path" } });
  });
});

describe("the upstream fails", () => {
  const googleError = (code: number, message: string, details: unknown[] = []) => ({
    error: { code, message, status: "X", details },
  });
  test.each<{
    name: string;
    answer: [number, unknown, object?];
    status: number;
    code: string;
    retryAfter?: string;
    text?: string;
  }>([
    { name: "a wrong key", answer: [400, wrongKeyAnswer], status: 502, code: "upstream.key-refused" },
    {
      name: "a key without rights",
      answer: [403, googleError(403, "no")],
      status: 502,
      code: "upstream.key-refused",
    },
    {
      name: "another 400",
      answer: [400, googleError(400, "bad part")],
      status: 502,
      code: "upstream.failed",
    },
    {
      name: "no such model",
      answer: [404, googleError(404, "no")],
      status: 502,
      code: "upstream.model-unknown",
    },
    { name: "500", answer: [500, googleError(500, "oops")], status: 502, code: "upstream.failed" },
    { name: "an overload", answer: [503, googleError(503, "busy")], status: 502, code: "upstream.failed" },
    {
      name: "its own time-out",
      answer: [504, googleError(504, "late")],
      status: 504,
      code: "upstream.timed-out",
    },
    {
      name: "a redirect",
      answer: [302, {}, { location: "http://127.0.0.1:9/" }],
      status: 502,
      code: "upstream.failed",
    },
    {
      name: "429 with a header",
      answer: [429, googleError(429, "quota"), { "retry-after": "17" }],
      status: 429,
      code: "upstream.rate-limited",
      retryAfter: "17",
    },
    {
      name: "429 with RetryInfo",
      answer: [429, googleError(429, "quota", [{ retryDelay: "33.2s" }])],
      status: 429,
      code: "upstream.rate-limited",
      retryAfter: "34",
    },
    {
      name: "429 with nothing",
      answer: [429, googleError(429, "quota")],
      status: 429,
      code: "upstream.rate-limited",
      retryAfter: "10",
    },
    {
      name: "keys repeated in its text",
      answer: [500, googleError(500, `bad \u001b[31m${googleKey} and ${proxyKey}`)],
      status: 502,
      code: "upstream.failed",
      text: "the Gemini API failed (500): bad \\x1b[31m[secret] and [secret]",
    },
  ])("$name → $status $code", async ({ answer, status, code, retryAfter, text }) => {
    upstream = await serveOn((_, response) => sendJson(response, ...answer));
    const { chat, lines } = appFor(upstream);
    const response = await chat({ message: "Hi" });
    const body = (await response.json()) as ErrorBody;
    expect(response.status).toBe(status);
    expect(body.error).toMatchObject({ code, source: "upstream", upstreamStatus: answer[0] });
    expect(body.detail).toBe(body.error.message);
    if (text) expect(body.detail).toBe(text);
    expect(response.headers.get("retry-after")).toBe(retryAfter ?? null);
    expect(JSON.stringify(body) + lines).not.toContain(googleKey);
    expect(upstream.requests.length, "one call, no retries").toBe(1);
  });

  test.each<{
    name: string;
    answer: (seen: Seen, response: import("node:http").ServerResponse) => void;
    code: string;
  }>([
    {
      name: "HTML under 200",
      answer: (_, response) => response.writeHead(200, { "content-type": "text/html" }).end("<html>"),
      code: "upstream.not-json",
    },
    { name: "a cut connection", answer: (_, response) => response.destroy(), code: "upstream.unreachable" },
    {
      name: "a blocked prompt",
      answer: (_, response) => sendJson(response, 200, { promptFeedback: { blockReason: "SAFETY" } }),
      code: "upstream.no-text",
    },
  ])("$name → 502 $code", async ({ answer, code }) => {
    upstream = await serveOn(answer);
    const response = await appFor(upstream).chat({ message: "Hi" });
    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject({ error: { code, source: "upstream" } });
  });

  test.each(["before the headers", "in the middle of the body"])("silence %s → 504", async (when) => {
    upstream = await serveOn((_, response) => {
      if (when !== "before the headers") {
        response.writeHead(200, { "content-type": "application/json" }).write('{"candidates":');
      }
    });
    const response = await appFor(upstream, { UPSTREAM_TIMEOUT_SECONDS: "0.2" }).chat({ message: "Hi" });
    expect(response.status).toBe(504);
    expect(await response.json()).toMatchObject({
      error: { code: "upstream.timed-out", message: "the Gemini API did not answer within 0.2 s" },
    });
  });

  test("nobody there → 502 with the reason", async () => {
    upstream = await serveGemini();
    const { chat } = appFor(upstream);
    await upstream.close();
    expect(await (await chat({ message: "Hi" })).json()).toMatchObject({
      error: { code: "upstream.unreachable", message: "the Gemini API could not be reached (ECONNREFUSED)" },
    });
  });
});

test("the log has no query, no contents and no keys", async () => {
  upstream = await serveGemini();
  const { app, chat, lines, logged } = appFor(upstream);
  await chat({ message: "my secret plan", system_prompt: "whisper" });
  await app.request("/chat?prompt=private", { headers: { authorization: "Bearer guess" } });
  expect(logged()).toEqual([
    {
      time: expect.any(String),
      level: "info",
      event: "request",
      method: "POST",
      path: "/chat",
      status: 200,
      ms: expect.any(Number),
      tokensIn: 11,
      tokensOut: 7,
    },
    expect.objectContaining({ level: "warn", path: "/chat", status: 401, error: "auth.wrong" }),
  ]);
  expect(lines.join("")).not.toMatch(/secret plan|whisper|private|guess|fixture|Hello/);
});
