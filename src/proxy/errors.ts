import { CloreError } from "../core/errors.ts";

/** Who is at fault: this proxy or what it was sent (`proxy`), or the Gemini API behind it (`upstream`). */
export type ErrorSource = "proxy" | "upstream";

export interface ProxyErrorDetails {
  /** The HTTP status that our client gets. */
  status: 400 | 401 | 404 | 413 | 415 | 422 | 429 | 499 | 500 | 502 | 503 | 504;
  /** One sentence for the client. Never holds a key. */
  message: string;
  /** @default "proxy" */
  source?: ErrorSource;
  /** The status that the upstream answered with, when it answered. */
  upstreamStatus?: number;
  /** Seconds after which to try again, for the header `Retry-After`. */
  retryAfterSeconds?: number;
  cause?: unknown;
}

/** What is sent for every failed request. `detail` repeats the text where the guide's program has it. */
export interface ErrorBody {
  error: { code: string; message: string; source: ErrorSource; upstreamStatus?: number };
  detail: string;
}

/** An expected failure of one request, with the status to answer it with. */
export class ProxyError extends CloreError {
  readonly status: ProxyErrorDetails["status"];
  readonly source: ErrorSource;
  readonly upstreamStatus: number | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: string, details: ProxyErrorDetails) {
    super(code, {
      message: details.message,
      cause: details.cause,
      retry: details.status === 429 || details.status >= 500 ? "later" : "no",
    });
    this.status = details.status;
    this.source = details.source ?? "proxy";
    this.upstreamStatus = details.upstreamStatus;
    this.retryAfterSeconds = details.retryAfterSeconds;
  }

  /** The answer to send, as JSON. */
  toResponse(): Response {
    const body: ErrorBody = {
      error: {
        code: this.code,
        message: this.message,
        source: this.source,
        upstreamStatus: this.upstreamStatus,
      },
      detail: this.message,
    };
    const headers = new Headers();
    if (this.retryAfterSeconds !== undefined) headers.set("retry-after", String(this.retryAfterSeconds));
    if (this.status === 401) headers.set("www-authenticate", "Bearer");
    return Response.json(body, { status: this.status, headers });
  }
}

/** For the log only: nobody is left to read it. An abort's own reason may be no Error, which Hono would not handle. */
export function clientGone(): ProxyError {
  return new ProxyError("client.gone", { status: 499, message: "the client closed the connection" });
}
