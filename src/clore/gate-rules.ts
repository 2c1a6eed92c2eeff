import { longestPauseMs } from "./retry.ts";

/** The arithmetic of the rate gate: pure, so that its promises can be tested without files or clocks. */

/** `create` is a `create_order`; everything else is a `request`. A create counts as both. */
export type PassKind = "request" | "create";

export interface GateLimits {
  /** Least time between two requests of a key, in milliseconds. */
  requestEveryMs: number;
  /** Least time between two creates of a key, in milliseconds. */
  createEveryMs: number;
}

/** What all processes that use one key know together. Times in milliseconds since the epoch, 0: never. */
export interface GateState {
  lastRequestMs: number;
  lastCreateMs: number;
  /** Until when the service asked everybody to wait. */
  blockedUntilMs: number;
  /** Which process had the last pass. */
  lastOwner: string;
}

export const freshState: GateState = { lastRequestMs: 0, lastCreateMs: 0, blockedUntilMs: 0, lastOwner: "" };

/** Two requests sent one step apart may arrive a little closer: the share of a step that is added. */
const margin = 0.02;
/** Who had the last pass waits this share longer, so that others who wait too are not starved. */
const handicap = 0.03;

/** Which of those who wait passes now, or how long until one does. */
export type Next = { pass: PassKind } | { waitMs: number };

/**
 * The next of `kinds` (who waits, at least one) to pass. A create that is due goes first, and no read takes the slot
 * just before it: creates are the scarce ones, and a read a second later is as good.
 */
export function nextToPass(
  kinds: ReadonlySet<PassKind>,
  state: GateState,
  owner: string,
  limits: GateLimits,
  now: number,
): Next {
  const step = stepMs(state, owner, limits);
  const request = Math.ceil(Math.max(state.lastRequestMs + step, state.blockedUntilMs));
  const create = Math.ceil(Math.max(request, state.lastCreateMs + limits.createEveryMs * (1 + margin)));
  if (kinds.has("create")) {
    if (create <= now) return { pass: "create" };
    // With creates as frequent as reads this would starve the reads.
    const wouldDelay =
      create < Math.max(now, request) + step && limits.createEveryMs > 2 * limits.requestEveryMs;
    if (!kinds.has("request") || wouldDelay) return { waitMs: create - now };
  }
  return request <= now ? { pass: "request" } : { waitMs: request - now };
}

function stepMs(state: GateState, owner: string, limits: GateLimits): number {
  return limits.requestEveryMs * (1 + margin + (state.lastOwner === owner ? handicap : 0));
}

export function afterPass(state: GateState, kind: PassKind, owner: string, now: number): GateState {
  return {
    ...state,
    lastRequestMs: now,
    lastCreateMs: kind === "create" ? now : state.lastCreateMs,
    lastOwner: owner,
  };
}

export function afterPenalty(state: GateState, ms: number, now: number): GateState {
  const until = now + Math.min(Math.max(0, ms), longestPauseMs);
  return { ...state, blockedUntilMs: Math.max(state.blockedUntilMs, until) };
}

/**
 * The state as it can be believed: nothing lies in the future but a penalty of at most the longest pause. Otherwise a
 * clock that was once wrong would close the gate until that time comes.
 */
export function believable(state: GateState, now: number): GateState {
  return {
    ...state,
    lastRequestMs: Math.min(state.lastRequestMs, now),
    lastCreateMs: Math.min(state.lastCreateMs, now),
    blockedUntilMs: Math.min(state.blockedUntilMs, now + longestPauseMs),
  };
}
