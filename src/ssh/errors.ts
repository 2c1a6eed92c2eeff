import { CloreError, printable } from "../core/errors.ts";
import type { SshTarget } from "./types.ts";

/** `user@address:port`, for messages. */
export function nameOf(target: Pick<SshTarget, "user" | "address" | "port">): string {
  return `${target.user}@${target.address}:${target.port}`;
}

/** How far an attempt had come when it failed. */
export type Stage = "tcp" | "banner" | "handshake" | "login";

/** What the socket or ssh2 said, as one of our codes. `greeting`: what the host had sent in clear until then. */
export function connectError(where: string, stage: Stage, greeting: string, cause: unknown): CloreError {
  const error = cause as {
    code?: unknown;
    level?: unknown;
    message?: unknown;
    errors?: { code?: unknown }[];
  };
  const code = error.code ?? error.errors?.[0]?.code;
  const seen = bounded(String(error.message || code));
  if (code === "ECONNREFUSED") return refused(where, seen, cause);
  if (code === "ETIMEDOUT") return timedOut(where, stage, undefined, cause);
  if (error.level === "client-authentication" || /authentication/i.test(seen))
    return authFailed(where, cause);
  // Closed early, by RST, FIN or a farewell (ssh2 gives that a number as code); an HTTP server is no host that starts.
  const spokeHttp = /^HTTP\//.test(greeting);
  const closed = code === "ECONNRESET" || code === "EPIPE" || typeof code === "number";
  if (!spokeHttp && (closed || /before handshake/.test(seen)))
    return reset(where, stage, greeting || seen, cause);
  if (stage === "tcp") return unreachable(where, seen, cause);
  return new CloreError("ssh.protocol", {
    message: `${where} answers, but no SSH connection can be agreed upon`,
    seen: spokeHttp ? bounded(greeting) : seen,
    hint: "check that the port is SSH's, and that the server is OpenSSH 7.2 or newer (no SHA-1, no DSA)",
    cause,
  });
}

/** Closed by the host before the login. `seen`: its last words. */
export function reset(where: string, stage: Stage, seen?: string, cause?: unknown): CloreError {
  return new CloreError("ssh.reset", {
    // A reset can overtake the news that the connection was there.
    message: `${where} closed the connection ${AT[stage === "tcp" ? "banner" : stage]}`,
    seen: seen && bounded(seen),
    hint: "a starting container does this for a while; later it means that sshd fails or limits connections",
    retry: "later",
    cause,
  });
}

/** No answer in time. `timeoutMs`: ours; without it the operating system gave up. */
export function timedOut(where: string, stage: Stage, timeoutMs?: number, cause?: unknown): CloreError {
  return new CloreError("ssh.timed-out", {
    message: `${where} did not answer${timeoutMs === undefined ? "" : ` within ${timeoutMs / 1000} s`}: it stopped ${AT[stage]}`,
    hint: "the host may still be starting, be overloaded, or its port may be filtered",
    retry: "later",
    cause,
  });
}

/** The connection was there and is gone. `outcomeUnknown`: a command had been handed over. */
export function lost(where: string, seen: string | undefined, outcomeUnknown: boolean): CloreError {
  return new CloreError("ssh.lost", {
    message: outcomeUnknown
      ? `the connection to ${where} was lost in the middle of a call; whether it was carried out is unknown`
      : `the connection to ${where} was lost before the call was handed over`,
    seen: seen && bounded(seen),
    hint: outcomeUnknown ? "look at the host before repeating it" : undefined,
    retry: outcomeUnknown ? "look-first" : "later",
  });
}

/** Text of the host for an error: its end, without control characters. */
export function bounded(text: string, most = 600): string {
  const trimmed = text.trim();
  return printable(trimmed.length > most ? `…${trimmed.slice(-most)}` : trimmed);
}

const AT: Record<Stage, string> = {
  tcp: "before the TCP connection was up",
  banner: "before its SSH greeting",
  handshake: "during the key exchange",
  login: "during the login",
};

function refused(where: string, seen: string, cause: unknown): CloreError {
  return new CloreError("ssh.refused", {
    message: `${where} refuses connections: nothing listens there`,
    seen,
    hint: "the host may still be starting; check address and port",
    retry: "later",
    cause,
  });
}

function authFailed(where: string, cause: unknown): CloreError {
  return new CloreError("ssh.auth-failed", {
    message: `${where} does not accept our key`,
    hint: "check the user, and that the public key is in its authorized_keys; a fresh container may not have it yet",
    cause,
  });
}

function unreachable(where: string, seen: string, cause: unknown): CloreError {
  return new CloreError("ssh.unreachable", {
    message: `${where} cannot be reached: its name is unknown or there is no route`,
    seen,
    hint: "check the address, DNS and this machine's network",
    retry: "later",
    cause,
  });
}
