/** A seeded source of numbers: the same seed gives the same market and the same delays. */
export interface Random {
  /** 0 ≤ x < 1. */
  next(): number;
  /** lo ≤ x < hi. */
  between(lo: number, hi: number): number;
  /** Whole, lo ≤ x ≤ hi. */
  whole(lo: number, hi: number): number;
  chance(share: number): boolean;
  pick<T>(from: readonly T[]): T;
}

/** mulberry32: small, quick, good enough for made-up rows. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  const between = (lo: number, hi: number): number => lo + next() * (hi - lo);
  return {
    next,
    between,
    whole: (lo, hi) => Math.floor(between(lo, hi + 1)),
    chance: (share) => next() < share,
    pick: (from) => from[Math.floor(next() * from.length)]!,
  };
}
