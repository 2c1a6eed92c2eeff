import {
  type ApiErrorClass,
  BlockedError,
  DatabaseError,
  InvalidEndpointError,
  InvalidInputError,
  InvalidTokenError,
  NotJsonError,
  RateLimitedError,
  UnexpectedShapeError,
  UnknownCodeError,
} from "./errors.ts";
import { excerpt } from "./excerpt.ts";
import { refusalFor } from "./refusals.ts";

/** An HTTP answer as it came in. */
export interface RawAnswer {
  status: number;
  body: string;
  /** From `Retry-After`, where it states seconds. */
  retryAfterMs?: number;
}

/** Which call was answered. */
export interface Asked {
  endpoint: string;
  write: boolean;
  /** Strings that must not be shown, should the body echo them. */
  secrets?: readonly string[];
}

const byCode: Readonly<Record<number, ApiErrorClass>> = {
  1: DatabaseError,
  2: InvalidInputError,
  3: InvalidTokenError,
  4: InvalidEndpointError,
  5: RateLimitedError,
};

/**
 * The JSON object of a successful answer, or the error it stands for. `code` and `error` decide whatever the HTTP
 * status is (observed: code 6 under 200 and 500); the status decides only where there is no code.
 * @throws a class of errors.ts or refusals.ts
 */
export function readAnswer(answer: RawAnswer, asked: Asked): Record<string, unknown> {
  const { status, body } = answer;
  const failure = {
    endpoint: asked.endpoint,
    write: asked.write,
    httpStatus: status,
    retryAfterMs: answer.retryAfterMs,
    seen: excerpt(body, asked.secrets),
  };
  const json = parseObject(body);
  if (json === undefined) {
    if (status === 429) throw new RateLimitedError(failure);
    if (isEdgeRefusal(status, body)) throw new BlockedError(failure);
    throw new NotJsonError(failure);
  }
  const code = codeOf(json);
  if (code === undefined) {
    if (status === 429) throw new RateLimitedError(failure);
    throw new UnexpectedShapeError({ ...failure, seen: `no code in ${failure.seen}` });
  }
  const named = typeof json.error === "string" && json.error !== "" ? json.error : undefined;
  const known = { ...failure, apiCode: code, apiError: named, details: json };
  if (code === 0 && named === undefined) return json;
  if (code === 0) throw new (refusalFor(named ?? ""))({ ...known, contradictory: true });
  if (code === 6) throw new (refusalFor(named ?? ""))(known);
  throw new (byCode[code] ?? UnknownCodeError)(known);
}

/** `undefined`: no JSON. JSON that is no object holds no code, like an empty one. */
function parseObject(body: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return undefined;
  }
}

function codeOf(json: Record<string, unknown>): number | undefined {
  if (typeof json.code === "number" && Number.isInteger(json.code)) return json.code;
  return typeof json.code === "string" && /^\d{1,3}$/.test(json.code) ? Number(json.code) : undefined;
}

/** Cloudflare in front refuses with 403 or with "error code: 1010" and its relatives; a gateway's 5xx is another matter. */
function isEdgeRefusal(status: number, body: string): boolean {
  if (status === 403) return true;
  return status < 500 && /error code: 10\d\d|cf-challenge|challenge-platform|Just a moment/i.test(body);
}
