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

/** When `owner` may send next, in milliseconds since the epoch; not after `now` means at once. */
export function dueAt(state: GateState, kind: PassKind, owner: string, limits: GateLimits): number {
  const courtesy = state.lastOwner === owner ? handicap : 0;
  const nextRequest = state.lastRequestMs + limits.requestEveryMs * (1 + margin + courtesy);
  const nextCreate = kind === "create" ? state.lastCreateMs + limits.createEveryMs * (1 + margin) : 0;
  return Math.ceil(Math.max(nextRequest, nextCreate, state.blockedUntilMs));
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
