import { CloreError, printable } from "../core/errors.ts";
import { httpOnHost } from "../host/http.ts";
import type { SshConnection } from "../ssh/types.ts";

/** A request and what its answer must be. */
export interface HealthQuestion {
  url: string;
  method: "GET" | "POST";
  headers: Readonly<Record<string, string>>;
  /** Sent as JSON when defined. */
  json: unknown;
  expect: { status?: number; jsonText?: string; contains?: string; withinMs?: number };
}

export interface AskOptions {
  /** The most to wait for the whole answer, in milliseconds. */
  timeoutMs: number;
  signal: AbortSignal;
  /** Asks from inside a server: the socket is a channel of this connection. */
  ssh?: () => Promise<Pick<SshConnection, "dial">>;
}

export type Answer =
  | { ok: true; status: number; latencyMs: number; answer: string }
  | { ok: false; seen: string };

/** A body past this is cut: a stranger's endpoint must not fill our memory. */
const mostBodyBytes = 1024 * 1024;
/** What is kept of a right answer: it goes into the state and onto the terminal. */
const mostAnswerCharacters = 4000;

/** Asks once. A wrong answer, or none, is a value and no error; only an abort throws. */
export async function askOnce(question: HealthQuestion, options: AskOptions): Promise<Answer> {
  const start = performance.now();
  try {
    const { status, body } = await fetchText(question, options);
    return judge(question.expect, status, body, Math.round(performance.now() - start));
  } catch (error) {
    options.signal.throwIfAborted();
    return { ok: false, seen: reason(error, options.timeoutMs) };
  }
}

/** What an answer is worth. Pure. */
export function judge(
  expect: HealthQuestion["expect"],
  status: number,
  body: string,
  latencyMs: number,
): Answer {
  const excerpt = printable(body.slice(0, 500)).trim();
  const right = expect.status === undefined ? status >= 200 && status < 300 : status === expect.status;
  if (!right) return { ok: false, seen: `HTTP ${status}: ${excerpt}` };
  if (expect.contains !== undefined && !body.includes(expect.contains)) {
    return { ok: false, seen: `HTTP ${status} without ${JSON.stringify(expect.contains)}: ${excerpt}` };
  }
  const text = expect.jsonText === undefined ? excerpt : textAt(body, expect.jsonText);
  if (text === undefined)
    return { ok: false, seen: `HTTP ${status} with no text at ${expect.jsonText}: ${excerpt}` };
  if (expect.withinMs !== undefined && latencyMs > expect.withinMs) {
    return { ok: false, seen: `answered in ${latencyMs} ms, more than ${expect.withinMs} ms` };
  }
  return { ok: true, status, latencyMs, answer: printable(text.slice(0, mostAnswerCharacters)) };
}

/** The non-empty string at `data[0].id` of a JSON text. */
export function textAt(body: string, path: string): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return undefined;
  }
  for (const part of path.replaceAll(/\[(\d+)\]/g, ".$1").split(".")) {
    if (value === null || typeof value !== "object" || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return typeof value === "string" && value !== "" ? value : undefined;
}

async function fetchText(
  question: HealthQuestion,
  options: AskOptions,
): Promise<{ status: number; body: string }> {
  const url = new URL(question.url);
  const payload = question.json === undefined ? undefined : JSON.stringify(question.json);
  const headers = {
    ...(payload === undefined ? {} : { "content-type": "application/json" }),
    ...question.headers,
  };
  if (options.ssh) {
    const { method } = question;
    const { timeoutMs, signal } = options;
    const path = url.pathname + url.search;
    const port = Number(url.port || 80);
    return httpOnHost(await options.ssh(), { port, path, method, headers, body: payload, timeoutMs, signal });
  }
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs)]);
  const response = await fetch(url, {
    method: question.method,
    headers,
    body: payload,
    signal,
    redirect: "manual",
  });
  return { status: response.status, body: await boundedText(response) };
}

async function boundedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= mostBodyBytes) break;
  }
  return Buffer.concat(chunks).subarray(0, mostBodyBytes).toString("utf8");
}

function reason(error: unknown, timeoutMs: number): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof CloreError) return `${error.message}${error.seen ? ` (${error.seen})` : ""}`;
  if (error.name === "TimeoutError") return `no answer within ${timeoutMs / 1000} s`;
  // fetch says "fetch failed"; why stands in the cause.
  return printable(error.cause instanceof Error ? error.cause.message : error.message);
}
