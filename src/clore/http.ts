import type { RawAnswer } from "./answer.ts";
import { CancelledError, CutError, TimedOutError, UnexpectedShapeError, UnreachableError } from "./errors.ts";

/** One HTTP request, ready to go. */
export interface HttpRequest {
  /** For errors: "create_order". */
  endpoint: string;
  url: string;
  method: "GET" | "POST";
  headers: Readonly<Record<string, string>>;
  body?: string;
  /** Whether it changes something: decides what a broken connection means. */
  write: boolean;
  /** From sending to the last byte of the answer, in milliseconds. */
  timeoutMs: number;
  signal?: AbortSignal;
}

/** The marketplace is about 3 MB; more than this is no answer but a flood. */
const maxBodyBytes = 64 * 1024 * 1024;

/** What can go wrong only before anything was sent. */
const neverSent =
  /^(ECONNREFUSED|ENOTFOUND|EAI_\w+|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|UND_ERR_CONNECT_TIMEOUT|ERR_INVALID_URL|ERR_SSL_\w+|ERR_TLS_\w+|CERT_\w+|DEPTH_ZERO_\w+|SELF_SIGNED_\w+|UNABLE_TO_\w+|HOSTNAME_MISMATCH)$/;

/**
 * Sends one request once: the only place of this layer that touches the network. Redirects are not followed, so that
 * neither the key nor a create goes anywhere else.
 * @throws TimedOutError, CutError, UnreachableError, CancelledError (a write under way), or the signal's reason
 */
export async function send(request: HttpRequest): Promise<RawAnswer> {
  const { endpoint, write, signal } = request;
  signal?.throwIfAborted();
  const limit = new AbortController();
  const cancel = () => limit.abort();
  const timer = setTimeout(cancel, request.timeoutMs);
  signal?.addEventListener("abort", cancel, { once: true });
  try {
    const response = await fetch(request.url, {
      method: request.method,
      headers: { ...request.headers },
      body: request.body,
      redirect: "manual",
      signal: limit.signal,
    });
    const body = await readBody(response, endpoint, write);
    return { status: response.status, body, retryAfterMs: retryAfter(response.headers.get("retry-after")) };
  } catch (error) {
    if (error instanceof UnexpectedShapeError) throw error;
    if (signal?.aborted) {
      if (!write) throw signal.reason;
      throw new CancelledError({ endpoint, write, cause: signal.reason });
    }
    if (limit.signal.aborted) {
      throw new TimedOutError({ endpoint, write, seen: `limit ${request.timeoutMs / 1000} s`, cause: error });
    }
    const code = causeCode(error);
    const failure = { endpoint, write, seen: code, cause: error };
    throw neverSent.test(code ?? "") ? new UnreachableError(failure) : new CutError(failure);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", cancel);
  }
}

async function readBody(response: Response, endpoint: string, write: boolean): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > maxBodyBytes) {
      const seen = `more than ${maxBodyBytes / 1024 / 1024} MB`;
      throw new UnexpectedShapeError({ endpoint, write, httpStatus: response.status, seen });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function retryAfter(header: string | null): number | undefined {
  return header !== null && /^\d{1,6}$/.test(header) ? Number(header) * 1000 : undefined;
}

/** fetch hides the reason one or two causes deep ("fetch failed" ← AggregateError ← ECONNREFUSED). */
function causeCode(error: unknown): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 4; depth++) {
    if ("code" in at && typeof at.code === "string" && at.code !== "") return at.code;
    at = at instanceof AggregateError && at.cause === undefined ? at.errors[0] : at.cause;
  }
  return undefined;
}
