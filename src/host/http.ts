import { request } from "node:http";
import type { Duplex } from "node:stream";
import { CloreError, printable } from "../core/errors.ts";
import type { SshConnection } from "../ssh/types.ts";
import { dialWithin } from "./dial.ts";

export interface HostRequest {
  /** As seen from the host. @default "127.0.0.1" */
  host?: string;
  port: number;
  /** With its query: `/healthz?full=1`. */
  path: string;
  /** @default "GET" */
  method?: string;
  headers?: Readonly<Record<string, string>>;
  body?: string | Uint8Array;
  /** The most to wait for the whole answer, in milliseconds. */
  timeoutMs: number;
  /** A longer body is cut and marked. @default 1 MiB */
  maxBodyBytes?: number;
  signal?: AbortSignal;
}

export interface HostResponse {
  status: number;
  headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  body: string;
  /** The body was longer than `maxBodyBytes`. */
  cut: boolean;
}

/**
 * One HTTP request from inside a host, over our own connection: it reaches what listens on the host's loopback.
 * Any status is an answer; the caller decides.
 * @throws CloreError `host.http-failed` when nothing listens, the answer is no HTTP or does not come in time
 */
export async function httpOnHost(ssh: Pick<SshConnection, "dial">, want: HostRequest): Promise<HostResponse> {
  const host = want.host ?? "127.0.0.1";
  const timeout = AbortSignal.timeout(want.timeoutMs);
  const signal = want.signal ? AbortSignal.any([want.signal, timeout]) : timeout;
  let stream: Duplex | undefined;
  try {
    stream = await dialWithin(ssh, { host, port: want.port }, signal);
    return await exchange(stream, host, want, signal);
  } catch (cause) {
    want.signal?.throwIfAborted();
    const seen = timeout.aborted ? `no answer in ${want.timeoutMs / 1000} s` : wordsOf(cause);
    throw new CloreError("host.http-failed", {
      message: `${want.method ?? "GET"} http://${host}:${want.port}${want.path} on the host failed`,
      seen: printable(seen),
      retry: "later",
      cause,
    });
  } finally {
    stream?.destroy();
  }
}

/** An answer in one line for people: "HTTP 503: not ready". */
export function answerWords({ status, body }: Pick<HostResponse, "status" | "body">): string {
  const text = printable(body.slice(0, 400)).replace(/\s+/g, " ").trim();
  return text === "" ? `HTTP ${status}` : `HTTP ${status}: ${text}`;
}

function exchange(
  stream: Duplex,
  host: string,
  want: HostRequest,
  signal: AbortSignal,
): Promise<HostResponse> {
  const max = want.maxBodyBytes ?? 1024 * 1024;
  return new Promise((resolve, reject) => {
    const outgoing = request({
      createConnection: () => stream,
      host,
      port: want.port,
      path: want.path,
      method: want.method ?? "GET",
      headers: { connection: "close", ...want.headers },
      signal,
    });
    outgoing.on("error", reject);
    outgoing.on("response", (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      const done = (cut: boolean) =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).subarray(0, max).toString("utf8"),
          cut,
        });
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size > max) {
          done(true);
          response.destroy();
        }
      });
      response.on("end", () => done(false));
      response.on("error", reject);
    });
    outgoing.end(want.body);
  });
}

function wordsOf(cause: unknown): string {
  if (cause instanceof CloreError) return cause.seen ?? cause.message;
  return cause instanceof Error ? cause.message : String(cause);
}
