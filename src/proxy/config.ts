import { readFileSync } from "node:fs";
// The small build of zod: the proxy is what is shipped to rented hosts, and this is a sixth of the size.
import * as z from "zod/mini";
import { CloreError, type InputProblem } from "../core/errors.ts";
import { Secret } from "../core/secret.ts";
import { logLevels } from "./log.ts";

const upstreams = {
  google: { keyName: "GOOGLE_API_KEY", baseUrl: "https://generativelanguage.googleapis.com" },
  cometapi: { keyName: "COMETAPI_KEY", baseUrl: "https://api.cometapi.com" },
} as const;

const settings = z.object({
  PORT: whole(0, 65_535, 8080),
  HOST: z._default(z.string(), "0.0.0.0"),
  UPSTREAM: z._default(z.enum(["google", "cometapi"], "must be google or cometapi"), "google"),
  UPSTREAM_BASE_URL: z.optional(
    z
      .string()
      .check(z.refine(isPlainHttpUrl, "must be an http(s) URL without credentials, query or fragment")),
  ),
  MODEL: z._default(
    z.string().check(z.regex(/^[\w.-]+$/, "must be a bare model id, as gemini-3.1-flash-lite")),
    "gemini-3.1-flash-lite",
  ),
  MAX_BODY_BYTES: whole(1024, 64 * 1024 ** 2, 1024 ** 2),
  MAX_IMAGE_BYTES: whole(1024, 64 * 1024 ** 2, 10 * 1024 ** 2),
  UPSTREAM_TIMEOUT_SECONDS: z._default(
    z.coerce
      .number("must be a number of seconds above 0, at most 600")
      .check(z.refine((n) => n > 0 && n <= 600, "must be a number of seconds above 0, at most 600")),
    60,
  ),
  IMAGE_HOSTS_ALLOWED: z._default(
    z
      .string()
      .check(z.refine((text) => list(text).every(isHostAndPort), "must be a comma list of host:port")),
    "",
  ),
  LOG_LEVEL: z._default(z.enum(logLevels, `must be one of ${logLevels.join(", ")}`), "info"),
});

/** Everything that the proxy is told at its start. */
export interface ProxyConfig {
  /** `PORT`; 0 takes a free one. @default 8080 */
  port: number;
  /** `HOST`, the address to listen on. @default "0.0.0.0" */
  host: string;
  /** `UPSTREAM`. @default "google" */
  upstream: "google" | "cometapi";
  /** `GOOGLE_API_KEY` or `COMETAPI_KEY`, or the content of the file named by `<NAME>_FILE`. */
  upstreamKey: Secret;
  /** The name of the setting that held it, for error texts. */
  upstreamKeyName: string;
  /** `UPSTREAM_BASE_URL`, without the API version. @default Google's, or https://api.cometapi.com */
  upstreamBaseUrl: string;
  /** `MODEL`. @default "gemini-3.1-flash-lite" */
  model: string;
  /** `PROXY_API_KEYS`, comma or line separated; at least one. Also from `PROXY_API_KEYS_FILE`. */
  proxyKeys: readonly Secret[];
  /** `MAX_BODY_BYTES`. @default 1 MiB */
  maxBodyBytes: number;
  /** `MAX_IMAGE_BYTES`. @default 10 MiB */
  maxImageBytes: number;
  /** `UPSTREAM_TIMEOUT_SECONDS`, in milliseconds; for one whole answer of the upstream. @default 60 s */
  upstreamTimeoutMs: number;
  /** `IMAGE_HOSTS_ALLOWED`: `host:port` of images that may lie on addresses that are not public. @default none */
  imageHostsAllowed: ReadonlySet<string>;
  /** `LOG_LEVEL`. @default "info" */
  logLevel: (typeof logLevels)[number];
}

/**
 * Reads the settings; an empty one counts as not set.
 * @throws CloreError `proxy.config` that names every mistake, and no secret
 * @example readConfig({ GOOGLE_API_KEY: "…", PROXY_API_KEYS: "key-of-the-stack" })
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>): ProxyConfig {
  const problems: InputProblem[] = [];
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value?.trim()));
  const parsed = settings.safeParse(given);
  for (const issue of parsed.error?.issues ?? []) {
    problems.push({ path: issue.path.join("."), problem: issue.message });
  }
  // With a wrong UPSTREAM it cannot be told which key is needed: that mistake is enough.
  const name =
    parsed.data?.UPSTREAM ?? z.enum(["google", "cometapi"]).safeParse(given.UPSTREAM ?? "google").data;
  const upstream = name && upstreams[name];
  const upstreamKey = upstream && readSecret(given, upstream.keyName, problems);
  const proxyKeys = list(readSecret(given, "PROXY_API_KEYS", problems) ?? "");
  for (const key of upstreamKey === undefined ? proxyKeys : [upstreamKey, ...proxyKeys]) {
    if (/^[\x21-\x7e]+$/.test(key)) continue;
    const path = key === upstreamKey ? upstream!.keyName : "PROXY_API_KEYS";
    problems.push({ path, problem: "must be visible ASCII characters without spaces" });
  }
  if (problems.length > 0 || !parsed.data || !upstream || upstreamKey === undefined) {
    const lines = problems.map(({ path, problem }) => `\n  ${path}: ${problem}`);
    throw new CloreError("proxy.config", { message: `the proxy cannot start:${lines.join("")}` });
  }
  const data = parsed.data;
  return {
    port: data.PORT,
    host: data.HOST,
    upstream: data.UPSTREAM,
    upstreamKey: new Secret(upstreamKey),
    upstreamKeyName: upstream.keyName,
    upstreamBaseUrl: data.UPSTREAM_BASE_URL ?? upstream.baseUrl,
    model: data.MODEL,
    proxyKeys: proxyKeys.map((key) => new Secret(key)),
    maxBodyBytes: data.MAX_BODY_BYTES,
    maxImageBytes: data.MAX_IMAGE_BYTES,
    upstreamTimeoutMs: data.UPSTREAM_TIMEOUT_SECONDS * 1000,
    imageHostsAllowed: new Set(list(data.IMAGE_HOSTS_ALLOWED.toLowerCase())),
    logLevel: data.LOG_LEVEL,
  };
}

/** A secret from its own variable or from the file that `<NAME>_FILE` names; not from both. */
function readSecret(env: Record<string, string | undefined>, name: string, problems: InputProblem[]) {
  const file = env[`${name}_FILE`];
  if (env[name] !== undefined && file !== undefined) {
    problems.push({ path: name, problem: `set either ${name} or ${name}_FILE, not both` });
    return undefined;
  }
  let value = env[name]?.trim();
  if (file !== undefined) {
    try {
      value = readFileSync(file, "utf8").trim();
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? "unreadable";
      problems.push({ path: `${name}_FILE`, problem: `${file} cannot be read (${code})` });
      return undefined;
    }
  }
  if (value && list(value).length > 0) return value;
  problems.push({ path: name, problem: `must be set (or ${name}_FILE, the path of a file that holds it)` });
  return undefined;
}

function whole(min: number, max: number, preset: number) {
  const problem = `must be a whole number from ${min} to ${max}`;
  const number = z.coerce.number(problem);
  return z._default(
    number.check(z.refine((n) => Number.isInteger(n) && n >= min && n <= max, problem)),
    preset,
  );
}

function list(text: string): string[] {
  return text
    .split(/[,\n]/)
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

function isPlainHttpUrl(text: string): boolean {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol)) return false;
  return !url.username && !url.password && !url.search && !url.hash;
}

function isHostAndPort(text: string): boolean {
  return /^(\[[\da-f:.]+\]|[\w.-]+):\d{1,5}$/i.test(text);
}
