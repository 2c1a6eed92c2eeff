import { type Clock, systemClock } from "../core/clock.ts";
import { CloreError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { type Look, until } from "../core/until.ts";
import { Connection, type ConnectOptions } from "./connection.ts";
import { nameOf } from "./errors.ts";
import { openLink } from "./link.ts";
import type { SshConnection, SshTarget } from "./types.ts";

/**
 * One attempt to reach a server. Without `target.hostKey` the key shown is pinned: store `hostKey` of the result.
 * @throws CloreError `ssh.refused`, `ssh.reset`, `ssh.timed-out`, `ssh.unreachable`, `ssh.auth-failed`, `ssh.host-key-changed`,
 * `ssh.protocol`; InputError for an unreadable key; the signal's reason
 * @example await using ssh = await connect(target, { timeoutMs: 10_000 }); await ssh.exec("uname -m", { timeoutMs: 5_000 })
 */
export async function connect(target: SshTarget, options: ConnectOptions): Promise<SshConnection> {
  return new Connection(target, options, await openLink(target, options));
}

export interface WithinOptions {
  /** The most to wait for a login, in milliseconds. */
  deadlineMs: number;
  signal?: AbortSignal;
  /** Called after each failed attempt. */
  onAttempt?: (error: CloreError, attempt: number, waitedMs: number) => void;
  log?: Log;
  keepaliveMs?: number;
  clock?: Clock;
}

/** One attempt's share: long enough for a far, loaded host; short enough to try again soon. */
const ATTEMPT_MS = 15_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5_000;
/** A fresh container answers before our key is installed, and a fresh name takes a while to spread. */
const GRACE_MS = 60_000;

/** How an attempt can fail, and how it is worded in the sum. */
const PATIENT: Record<string, string> = {
  "ssh.refused": "refused",
  "ssh.reset": "reset",
  "ssh.timed-out": "timed out",
};
const WITH_GRACE: Record<string, string> = {
  "ssh.auth-failed": "key not accepted",
  "ssh.unreachable": "unreachable",
  "ssh.protocol": "no SSH spoken",
};

/**
 * Tries until a login succeeds: refused, reset and silent hosts up to the deadline; a key that is not accepted, an unknown name
 * and a port that speaks no SSH for 60 s since they were first seen in a row; a changed host key never.
 * @throws CloreError with the code of the last attempt, and how often which failure was seen; what `connect` throws
 */
export async function connectWithin(target: SshTarget, options: WithinOptions): Promise<SshConnection> {
  const clock = options.clock ?? systemClock;
  const start = clock.now();
  const seen = new Map<string, number>();
  let graceSince: number | undefined;
  let attempts = 0;
  let last: CloreError | undefined;

  const look = async (): Promise<Look<SshConnection>> => {
    const leftMs = start + options.deadlineMs - clock.now();
    const timeoutMs = Math.max(1, Math.min(ATTEMPT_MS, leftMs));
    try {
      const { signal, log, keepaliveMs } = options;
      const link = await openLink(target, { timeoutMs, signal, keepaliveMs });
      return { done: true, value: new Connection(target, { timeoutMs: ATTEMPT_MS, log, keepaliveMs }, link) };
    } catch (error) {
      if (!(error instanceof CloreError)) throw error;
      const word = PATIENT[error.code] ?? WITH_GRACE[error.code];
      if (word === undefined) throw error;
      last = error;
      attempts++;
      seen.set(word, (seen.get(word) ?? 0) + 1);
      options.onAttempt?.(error, attempts, clock.now() - start);
      graceSince = error.code in WITH_GRACE ? (graceSince ?? clock.now()) : undefined;
      if (graceSince !== undefined && clock.now() - graceSince >= GRACE_MS) throw givenUp();
      return { done: false, seen: sum(seen) };
    }
  };

  const givenUp = () =>
    new CloreError(last!.code, {
      message: `${nameOf(target)}: no login after ${Math.round((clock.now() - start) / 1_000)} s and ${attempts} attempts (${sum(seen)}); at last: ${last!.message}`,
      seen: last!.seen,
      hint: last!.hint,
      retry: last!.retry,
      cause: last,
    });

  try {
    return await until(look, {
      what: `SSH on ${nameOf(target)}`,
      deadlineMs: options.deadlineMs,
      everyMs: (looks) => Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 1.5 ** (looks - 1)),
      signal: options.signal,
      clock,
      code: DEADLINE,
    });
  } catch (error) {
    if (error instanceof CloreError && error.code === DEADLINE) throw givenUp();
    throw error;
  }
}

const DEADLINE = "ssh.deadline";

/** `refused 12 times, timed out once`. */
function sum(seen: ReadonlyMap<string, number>): string {
  return [...seen].map(([word, count]) => `${word} ${count === 1 ? "once" : `${count} times`}`).join(", ");
}
