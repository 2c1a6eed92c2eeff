import { type Clock, systemClock } from "./clock.ts";
import { CloreError } from "./errors.ts";

/** What one look at the world gave: done with a value, or not yet with what was seen. */
export type Look<T> = { done: true; value: T } | { done: false; seen: string };

export interface UntilOptions {
  /** What is waited for, in the error and the live status: "sshd on n1.example:1972". */
  what: string;
  /** The most to wait, in milliseconds from the call. Required: nothing waits for ever. */
  deadlineMs: number;
  /** Pause between looks, in milliseconds; a function gets the number of looks so far, for backoff. */
  everyMs: number | ((looks: number) => number);
  signal?: AbortSignal;
  clock?: Clock;
  /** Called with what was seen after each look that was not done. */
  onLook?: (seen: string, waitedMs: number) => void;
  /** Code of the error at the deadline. @default "wait.timed-out" */
  code?: string;
  hint?: string;
}

/**
 * The one waiter: looks until done, the deadline or an abort. A `look` that throws ends the wait at once.
 * @throws CloreError with `code` at the deadline; its `seen` is the last thing seen
 * @example await until(async () => ({ done: await up(), value: 1, seen: "down" }), { what: "the app", deadlineMs: 5000, everyMs: 100 })
 */
export async function until<T>(look: () => Promise<Look<T>>, options: UntilOptions): Promise<T> {
  const clock = options.clock ?? systemClock;
  const start = clock.now();
  for (let looks = 1; ; looks++) {
    options.signal?.throwIfAborted();
    const result = await look();
    if (result.done) return result.value;
    const waitedMs = clock.now() - start;
    options.onLook?.(result.seen, waitedMs);
    const pause = typeof options.everyMs === "function" ? options.everyMs(looks) : options.everyMs;
    if (waitedMs + pause > options.deadlineMs) {
      throw new CloreError(options.code ?? "wait.timed-out", {
        message: `${options.what}: not ready after ${Math.round(waitedMs / 1000)} s (limit ${options.deadlineMs / 1000} s)`,
        seen: result.seen,
        hint: options.hint,
        retry: "later",
      });
    }
    await clock.sleep(pause, options.signal);
  }
}
