/** How often one call is repeated before its error is given to the caller. */
export const retryLimits = {
  /** After an explicit 429. With the doubling below about two minutes at the service's own rate. */
  rateLimited: 6,
  /** After a failed read. */
  failed: 4,
} as const;

/** No pause is longer, whatever the service asks for. */
export const longestPauseMs = 60_000;

/**
 * The pause before repetition `n` (1, 2, …): doubling from one rate step, at most 30 of them, with up to a quarter of
 * jitter so that processes that failed together do not come back together.
 */
export function backoffMs(n: number, stepMs: number, random: () => number = Math.random): number {
  return Math.min(longestPauseMs, Math.min(2 ** (n - 1), 30) * stepMs * (1 + random() / 4));
}
