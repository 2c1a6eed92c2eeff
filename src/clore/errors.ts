import { CloreError, type Retry } from "../core/errors.ts";

/** What is known of one failed call. */
export interface Failure {
  /** Path below the API's base: "create_order". */
  endpoint: string;
  /** Whether the call changes something: then an unclear outcome is `look-first`, otherwise `later`. */
  write: boolean;
  httpStatus?: number;
  /** `code` of the answer. */
  apiCode?: number;
  /** `error` of the answer. */
  apiError?: string;
  /** What came back, bounded and printable. */
  seen?: string;
  /** Numbers that came with the error (`max_step`, `time_to_lowering`). */
  details?: Readonly<Record<string, unknown>>;
  /** From the answer's `Retry-After`. */
  retryAfterMs?: number;
  /** The answer says yes and no at once (`code` 0 with an `error`): the outcome is unclear whatever the kind. */
  contradictory?: boolean;
  cause?: unknown;
}

/** What a kind of failure always has in common. `unclear`: it may have happened all the same. */
interface Kind {
  code: string;
  message: string;
  hint: string;
  retry: Retry | "unclear";
}

/** Base of every failure of a call to Clore.ai. */
export class CloreApiError extends CloreError {
  readonly endpoint: string;
  readonly httpStatus: number | undefined;
  /** The service's own `code`, where it gave one. */
  readonly apiCode: number | undefined;

  constructor(kind: Kind, failure: Failure) {
    super(kind.code, {
      message: `${failure.endpoint}: ${kind.message}`,
      seen: seenOf(failure),
      hint: kind.hint,
      retry: retryOf(kind, failure),
      cause: failure.cause,
    });
    this.endpoint = failure.endpoint;
    this.httpStatus = failure.httpStatus;
    this.apiCode = failure.apiCode;
  }
}

function retryOf(kind: Kind, failure: Failure): Retry {
  if (kind.retry !== "unclear" && !failure.contradictory) return kind.retry;
  return failure.write ? "look-first" : "later";
}

function seenOf({ httpStatus, apiCode, seen }: Failure): string | undefined {
  const parts: string[] = [];
  if (httpStatus !== undefined) parts.push(`HTTP ${httpStatus}`);
  if (apiCode !== undefined) parts.push(`code ${apiCode}`);
  if (seen) parts.push(seen);
  return parts.length === 0 ? undefined : parts.join(", ");
}

/** A class whose instances differ only in the failure: keeps the table below one statement an error. */
export function errorOf(code: string, message: string, hint: string, retry: Kind["retry"]) {
  return class extends CloreApiError {
    constructor(failure: Failure) {
      super({ code, message, hint, retry }, failure);
    }
  };
}

export type ApiErrorClass = new (failure: Failure) => CloreApiError;

// --- the service's own codes -------------------------------------------------------------------------------------

/** Code 1. Observed: the order was made all the same. */
export class DatabaseError extends errorOf(
  "clore.database-error",
  "the service answered with a database error",
  "its outcome is unknown: look at my_orders before anything is repeated",
  "unclear",
) {}

/** Code 2. */
export class InvalidInputError extends errorOf(
  "clore.invalid-input",
  "the service refused the request as invalid",
  "check image, ports, env and prices; nothing was done",
  "no",
) {}

/** Code 3, or a key that no HTTP header can carry. */
export class InvalidTokenError extends errorOf(
  "clore.invalid-token",
  "the API key was refused",
  "check CLORE_API_KEY (or clore:apiKey): 32 characters, from the account page of clore.ai, without quotes or spaces",
  "no",
) {}

/** Code 4. */
export class InvalidEndpointError extends errorOf(
  "clore.invalid-endpoint",
  "the service does not know this endpoint",
  "check CLORE_API_URL (or clore:apiUrl): it includes the version, as in https://api.clore.ai/v1",
  "no",
) {}

/** Code 5 or HTTP 429, again and again. Nothing was done. */
export class RateLimitedError extends errorOf(
  "clore.rate-limited",
  "too many requests",
  "another program uses the same key, or the key is throttled: wait a minute; nothing was done",
  "later",
) {
  /** How long the service asks to wait, in milliseconds, where it says so. */
  readonly retryAfterMs: number | undefined;

  constructor(failure: Failure) {
    super(failure);
    this.retryAfterMs = failure.retryAfterMs;
  }
}

/** A `code` that is not known to us. */
export class UnknownCodeError extends errorOf(
  "clore.unknown-code",
  "the service answered with a code that is not known",
  "the API may have changed: look for a newer pulumi-clore",
  "unclear",
) {}

// --- what is not an answer of the service ------------------------------------------------------------------------

/** No key where one is needed. Nothing was sent. */
export class NoApiKeyError extends errorOf(
  "clore.no-api-key",
  "an API key is needed",
  "set CLORE_API_KEY, or `pulumi config set --secret clore:apiKey`; only the marketplace can be read without",
  "no",
) {}

/** Cloudflare's own refusal (403, "error code: 1010", a challenge page): the request never reached the API. */
export class BlockedError extends errorOf(
  "clore.blocked",
  "Cloudflare refused the request before it reached the API",
  "try from another network, without VPN or proxy; nothing was done",
  "no",
) {}

/** Something else than JSON. */
export class NotJsonError extends errorOf(
  "clore.not-json",
  "the answer is no JSON",
  "check that the API URL is right; otherwise the service has a bad moment",
  "unclear",
) {}

/** JSON that does not hold what it must. */
export class UnexpectedShapeError extends errorOf(
  "clore.unexpected-shape",
  "the answer does not have the expected form",
  "the API may have changed: look for a newer pulumi-clore",
  "unclear",
) {}

/** The connection broke after the request may have been sent. */
export class CutError extends errorOf(
  "clore.cut",
  "the connection was cut before the answer was complete",
  "check the network",
  "unclear",
) {}

/** No complete answer in time. */
export class TimedOutError extends errorOf(
  "clore.timed-out",
  "no complete answer in time",
  "check the network; the marketplace is a few megabytes",
  "unclear",
) {}

/** No connection: name not found, refused, TLS. Nothing was sent. */
export class UnreachableError extends errorOf(
  "clore.unreachable",
  "the API cannot be reached",
  "check network, DNS and CLORE_API_URL; nothing was sent",
  "later",
) {}

/** Cancelled by the caller after a write may have been sent (before that the signal's own reason is thrown). */
export class CancelledError extends errorOf(
  "clore.cancelled",
  "cancelled while the request was under way",
  "its outcome is unknown: look at my_orders",
  "unclear",
) {}
