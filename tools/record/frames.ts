import type { Screen } from "./screen.ts";

/** A picture and how long it stands, in milliseconds. */
export interface Frame {
  screen: Screen;
  ms: number;
}

/** What was on the screen from which moment on, in milliseconds since the start. */
export interface Shot {
  at: number;
  screen: Screen;
}

const lastStandsMs = 6_000;

/**
 * Shots made into a film: pictures that stand shorter than `minMs` are dropped for the one after them, and a longer
 * wait than `maxMs` is cut to that, so that minutes of pulling are not watched.
 * @throws never; no shots give no frames
 */
export function film(shots: readonly Shot[], limits: { minMs: number; maxMs: number }): Frame[] {
  const frames: Frame[] = [];
  let waited = 0;
  for (const [index, { at, screen }] of shots.entries()) {
    const next = shots[index + 1];
    if (!next) frames.push({ screen, ms: lastStandsMs });
    else {
      waited += next.at - at;
      if (waited < limits.minMs) continue;
      frames.push({ screen, ms: Math.min(waited, limits.maxMs) });
    }
    waited = 0;
  }
  return frames;
}
