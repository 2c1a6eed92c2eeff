import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterAll, expect, test } from "vitest";
import type { CloreError } from "../../src/core/errors.ts";
import { readConfig } from "../../src/proxy/config.ts";

const folder = mkdtempSync(join(tmpdir(), "proxy-config-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string, content: string) => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};
const least = { GOOGLE_API_KEY: "google-key", PROXY_API_KEYS: "key-1" };

function mistakesOf(env: Record<string, string>): string[] {
  try {
    readConfig(env);
  } catch (error) {
    expect((error as CloreError).code).toBe("proxy.config");
    return (error as Error).message.split("\n  ").slice(1);
  }
  return [];
}

test("two keys are enough; the rest has defaults", () => {
  const config = readConfig(least);
  expect(config.upstreamKey.reveal()).toBe("google-key");
  expect(config.proxyKeys.map((key) => key.reveal())).toEqual(["key-1"]);
  expect(config).toMatchObject({
    port: 8080,
    host: "0.0.0.0",
    upstream: "google",
    upstreamBaseUrl: "https://generativelanguage.googleapis.com",
    model: "gemini-3.1-flash-lite",
    maxBodyBytes: 1_048_576,
    maxImageBytes: 10_485_760,
    upstreamTimeoutMs: 60_000,
    imageHostsAllowed: new Set(),
    logLevel: "info",
  });
});

test("CometAPI has its own key and address", () => {
  const config = readConfig({ UPSTREAM: "cometapi", COMETAPI_KEY: "comet-key", PROXY_API_KEYS: "key-1" });
  expect(config).toMatchObject({
    upstreamBaseUrl: "https://api.cometapi.com",
    upstreamKeyName: "COMETAPI_KEY",
  });
  expect(config.upstreamKey.reveal()).toBe("comet-key");
});

test("secrets come from files too, one key a line or by commas", () => {
  const config = readConfig({
    GOOGLE_API_KEY_FILE: file("google", "from-file\n"),
    PROXY_API_KEYS_FILE: file("keys", "a-1\nb-2, c-3\n\n"),
  });
  expect(config.upstreamKey.reveal()).toBe("from-file");
  expect(config.proxyKeys.map((key) => key.reveal())).toEqual(["a-1", "b-2", "c-3"]);
});

test.each<{ name: string; env: Record<string, string>; mistakes: string[] }>([
  {
    name: "nothing set",
    env: {},
    mistakes: [
      "GOOGLE_API_KEY: must be set (or GOOGLE_API_KEY_FILE, the path of a file that holds it)",
      "PROXY_API_KEYS: must be set (or PROXY_API_KEYS_FILE, the path of a file that holds it)",
    ],
  },
  {
    name: "empty settings count as not set",
    env: { ...least, PORT: " ", PROXY_API_KEYS: " , " },
    mistakes: ["PROXY_API_KEYS: must be set (or PROXY_API_KEYS_FILE, the path of a file that holds it)"],
  },
  {
    name: "the other upstream's key",
    env: { ...least, UPSTREAM: "cometapi" },
    mistakes: ["COMETAPI_KEY: must be set (or COMETAPI_KEY_FILE, the path of a file that holds it)"],
  },
  {
    name: "every setting wrong at once",
    env: {
      ...least,
      PORT: "65536",
      UPSTREAM: "openai",
      UPSTREAM_BASE_URL: "https://user:pass@example.test",
      MODEL: "../models",
      MAX_BODY_BYTES: "1MB",
      MAX_IMAGE_BYTES: "-1",
      UPSTREAM_TIMEOUT_SECONDS: "0",
      IMAGE_HOSTS_ALLOWED: "example.test",
      LOG_LEVEL: "loud",
    },
    mistakes: [
      "PORT: must be a whole number from 0 to 65535",
      "UPSTREAM: must be google or cometapi",
      "UPSTREAM_BASE_URL: must be an http(s) URL without credentials, query or fragment",
      "MODEL: must be a bare model id, as gemini-3.1-flash-lite",
      "MAX_BODY_BYTES: must be a whole number from 1024 to 67108864",
      "MAX_IMAGE_BYTES: must be a whole number from 1024 to 67108864",
      "UPSTREAM_TIMEOUT_SECONDS: must be a number of seconds above 0, at most 600",
      "IMAGE_HOSTS_ALLOWED: must be a comma list of host:port",
      "LOG_LEVEL: must be one of debug, info, warn, error, silent",
    ],
  },
  {
    name: "a mistake elsewhere does not hide a missing key",
    env: { UPSTREAM: "cometapi", PORT: "x", PROXY_API_KEYS: "key-1" },
    mistakes: [
      "PORT: must be a whole number from 0 to 65535",
      "COMETAPI_KEY: must be set (or COMETAPI_KEY_FILE, the path of a file that holds it)",
    ],
  },
  {
    name: "a secret given twice",
    env: { ...least, GOOGLE_API_KEY_FILE: "/x" },
    mistakes: ["GOOGLE_API_KEY: set either GOOGLE_API_KEY or GOOGLE_API_KEY_FILE, not both"],
  },
  {
    name: "a file that is not there",
    env: { GOOGLE_API_KEY: "g", PROXY_API_KEYS_FILE: "/nowhere/keys" },
    mistakes: ["PROXY_API_KEYS_FILE: /nowhere/keys cannot be read (ENOENT)"],
  },
  {
    name: "keys that no header can carry",
    env: { GOOGLE_API_KEY: "naïve", PROXY_API_KEYS: "fine,two words" },
    mistakes: [
      "GOOGLE_API_KEY: must be visible ASCII characters without spaces",
      "PROXY_API_KEYS: must be visible ASCII characters without spaces",
    ],
  },
])("$name", ({ env, mistakes }) => {
  expect(mistakesOf(env)).toEqual(mistakes);
});

test("a config shows no key when it is printed", () => {
  const config = readConfig(least);
  expect(inspect(config, { depth: 9 }) + JSON.stringify(config)).not.toMatch(/google-key|key-1/);
});
