import { printable } from "../core/errors.ts";
import type { ProxyConfig } from "./config.ts";
import { ProxyError, type ProxyErrorDetails } from "./errors.ts";

/** Used where a 429 names no time of its own, in seconds. */
const defaultRetryAfterSeconds = 10;

/** The upstream's refusal as our error: its status kept apart from ours, its text bounded and without the keys. */
export async function failureOf(response: Response, config: ProxyConfig): Promise<ProxyError> {
  const body = (await response.text()).slice(0, 16_384);
  const said = parse(body);
  const fail = (
    code: string,
    status: ProxyErrorDetails["status"],
    what: string,
    retryAfterSeconds?: number,
  ) =>
    new ProxyError(code, {
      status,
      source: "upstream",
      upstreamStatus: response.status,
      message: `the Gemini API ${what} (${response.status}): ${withoutKeys(said.message, config)}`,
      retryAfterSeconds,
    });
  switch (response.status) {
    case 401:
    case 403:
      return fail("upstream.key-refused", 502, `refused the key in ${config.upstreamKeyName}`);
    case 404:
      return fail("upstream.model-unknown", 502, `does not know ${config.model}`);
    case 429:
      return fail("upstream.rate-limited", 429, "is asked too often", retryAfter(response, said.retryDelay));
    case 408:
    case 504:
      return fail("upstream.timed-out", 504, "gave up in time");
    case 400:
      // Google answers a wrong key with 400 and the reason API_KEY_INVALID.
      if (said.keyRefused)
        return fail("upstream.key-refused", 502, `refused the key in ${config.upstreamKeyName}`);
  }
  return fail("upstream.failed", 502, "failed");
}

interface Said {
  message: string;
  keyRefused: boolean;
  /** `"34s"`, from google.rpc.RetryInfo. */
  retryDelay?: string;
}

function parse(body: string): Said {
  let error: { message?: unknown; details?: unknown } | undefined;
  try {
    const json = JSON.parse(body);
    error = (Array.isArray(json) ? json[0] : json)?.error;
  } catch {
    // HTML of a gateway: its first words are still worth showing.
  }
  const message = typeof error?.message === "string" ? error.message : body;
  const details: { reason?: unknown; retryDelay?: unknown }[] = Array.isArray(error?.details)
    ? error.details
    : [];
  const delay = details.find((detail) => typeof detail?.retryDelay === "string")?.retryDelay;
  return {
    message,
    keyRefused:
      details.some((detail) => detail?.reason === "API_KEY_INVALID") ||
      /api key (not valid|expired|not found)/i.test(message),
    retryDelay: delay as string | undefined,
  };
}

function retryAfter(response: Response, delay: string | undefined): number {
  const seconds = Number(response.headers.get("retry-after") ?? Number.parseFloat(delay ?? ""));
  return Number.isFinite(seconds) && seconds > 0 ? Math.ceil(seconds) : defaultRetryAfterSeconds;
}

function withoutKeys(text: string, config: ProxyConfig): string {
  let result = printable(text).replace(/\s+/g, " ").trim();
  for (const key of [config.upstreamKey, ...config.proxyKeys])
    result = result.replaceAll(key.reveal(), "[secret]");
  return result.length > 500 ? `${result.slice(0, 500)}…` : result || "no text";
}
