import { afterAll, beforeAll, expect, test } from "vitest";
import { type Gemini, startGemini } from "../../src/emulator/gemini.ts";
import { createApp } from "../../src/proxy/app.ts";
import { readConfig } from "../../src/proxy/config.ts";

// The second reading of Gemini's API: what `npm start` puts behind the proxy when there is no real key.
let gemini: Gemini;
beforeAll(async () => {
  gemini = await startGemini();
});
afterAll(() => gemini.close());

function ask(path: string, init: RequestInit = {}, env: Record<string, string> = {}) {
  const config = readConfig({
    GOOGLE_API_KEY: gemini.apiKey,
    PROXY_API_KEYS: "stack-key",
    UPSTREAM_BASE_URL: gemini.url,
    IMAGE_HOSTS_ALLOWED: `127.0.0.1:${gemini.port}`,
    ...env,
  });
  const headers = { authorization: "Bearer stack-key", "content-type": "application/json" };
  return createApp(config, { log: () => {} }).request(path, { headers, ...init });
}

test("chat, through to the stand-in, which says that it is one", async () => {
  const response = await ask("/chat", { method: "POST", body: '{"message":"Hi there"}' });
  expect(await response.json()).toEqual({
    response: "[local stand-in for gemini-3.1-flash-lite] You said: Hi there",
    model: "gemini-3.1-flash-lite",
  });
});

test("vision: the image arrives whole", async () => {
  const query = new URLSearchParams({ image_url: `${gemini.url}/image.png`, prompt: "What is it?" });
  const response = await ask(`/vision?${query}`, { method: "POST" });
  expect(await response.json()).toEqual({
    response: expect.stringMatching(/You said: What is it\?.*image\/png, \d+ bytes, 64×48 pixels/),
  });
});

test.each<{ name: string; env: Record<string, string>; status: number; code?: string }>([
  { name: "the right key and model", env: {}, status: 200 },
  { name: "a wrong key", env: { GOOGLE_API_KEY: "wrong" }, status: 503, code: "upstream.key-refused" },
  { name: "an unknown model", env: { MODEL: "gemini-0" }, status: 503, code: "upstream.model-unknown" },
])("readiness with $name: $status", async ({ env, status, code }) => {
  const response = await ask("/readyz", {}, env);
  const body = (await response.json()) as { error?: { code: string } };
  expect([response.status, body.error?.code]).toEqual([status, code]);
});
