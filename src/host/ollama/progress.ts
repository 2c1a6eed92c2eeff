import { formatSeconds } from "../../cost/duration.ts";
import type { PullEvent } from "./client.ts";

/** Over how long the speed is taken. */
const windowMs = 15_000;

/** What is known of a running pull. */
export interface PullState {
  doneBytes: number;
  totalBytes: number;
  /** Bytes that came over the line since this pull began: what was there before is not speed. */
  loadedBytes: number;
  bytesPerSecond: number | undefined;
  secondsLeft: number | undefined;
}

/**
 * Sums up the events of a pull. Pure but for its own memory; time is handed in.
 * @example const sum = new PullProgress(3.3e9); sum.add(event, Date.now()); log.status(describePull("gemma3:4b", sum.state()))
 */
export class PullProgress {
  readonly #expected: number | undefined;
  readonly #parts = new Map<string, { first: number; done: number; total: number }>();
  readonly #samples: { at: number; loaded: number }[] = [];

  constructor(expectedBytes: number | undefined) {
    this.#expected = expectedBytes;
  }

  add(event: PullEvent, at: number): void {
    if (event.digest === undefined || !event.total) return;
    const done = Math.min(event.completed ?? 0, event.total);
    const part = this.#parts.get(event.digest);
    if (part) part.done = done;
    else this.#parts.set(event.digest, { first: done, done, total: event.total });
    this.#samples.push({ at, loaded: this.#loaded() });
    while (this.#samples.length > 2 && at - this.#samples[1]!.at >= windowMs) this.#samples.shift();
  }

  state(): PullState {
    const parts = [...this.#parts.values()];
    const sum = (value: (part: { done: number; total: number }) => number) =>
      parts.reduce((total, part) => total + value(part), 0);
    const doneBytes = sum((part) => part.done);
    const totalBytes = Math.max(
      this.#expected ?? 0,
      sum((part) => part.total),
    );
    const [first] = this.#samples;
    const last = this.#samples.at(-1);
    const seconds = first && last ? (last.at - first.at) / 1000 : 0;
    const bytesPerSecond = seconds < 1 ? undefined : (last!.loaded - first!.loaded) / seconds;
    return {
      doneBytes,
      totalBytes,
      loadedBytes: this.#loaded(),
      bytesPerSecond,
      secondsLeft: bytesPerSecond ? (totalBytes - doneBytes) / bytesPerSecond : undefined,
    };
  }

  #loaded(): number {
    let loaded = 0;
    for (const part of this.#parts.values()) loaded += part.done - part.first;
    return loaded;
  }
}

/** `gemma3:4b: 43 % of 3.3 GB, 12.1 MB/s, 2 min left` */
export function describePull(tag: string, state: PullState): string {
  const speed = state.bytesPerSecond === undefined ? "" : `, ${formatSpeed(state.bytesPerSecond)}`;
  const left = state.secondsLeft === undefined ? "" : `, ${formatSeconds(state.secondsLeft)} left`;
  return `${tag}: ${percentOf(state)} % of ${formatBytes(state.totalBytes)}${speed}${left}`;
}

/** The whole percent that is there. */
export function percentOf({ doneBytes, totalBytes }: PullState): number {
  return totalBytes === 0 ? 0 : Math.floor((doneBytes / totalBytes) * 100);
}

function formatSpeed(bytesPerSecond: number): string {
  return bytesPerSecond < 0.1e6
    ? `${Math.round(bytesPerSecond / 1e3)} kB/s`
    : `${(bytesPerSecond / 1e6).toFixed(1)} MB/s`;
}

/** At the same percent the speed alone is told so often. */
const samePercentMs = 10_000;

/**
 * Which of a pull's events are told: each step once, and of the bytes a new percent at most once a second. Ollama sends
 * many a second, and without a terminal the engine writes a row for each. Pure but for its own memory.
 */
export class Sparing {
  #step: string | undefined;
  #percent: number | undefined;
  #at = Number.NEGATIVE_INFINITY;

  step(text: string): boolean {
    const isNew = text !== this.#step;
    this.#step = text;
    return isNew;
  }

  percent(percent: number, now: number): boolean {
    if (now - this.#at < (percent === this.#percent ? samePercentMs : 1000)) return false;
    this.#percent = percent;
    this.#at = now;
    return true;
  }
}

/** @example formatBytes(3.3e9) // "3.3 GB" */
export function formatBytes(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
