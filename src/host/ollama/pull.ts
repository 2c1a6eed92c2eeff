import { type Clock, systemClock } from "../../core/clock.ts";
import { CloreError, printable } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { formatSeconds } from "../../cost/duration.ts";
import { isDiskFull } from "../failure.ts";
import type { OllamaClient } from "./client.ts";
import { describePull, formatBytes, PullProgress, type PullState, percentOf, Sparing } from "./progress.ts";
import type { ModelReference } from "./reference.ts";

export interface PullOptions {
  /** What the registry says that it is, for the percentage before all parts are known. */
  expectedBytes: number | undefined;
  /** The most that the whole pull may take, in milliseconds from the call. */
  limitMs: number;
  /** Without a new byte for so long the pull is begun again; finished parts are kept. @default 60 000 */
  stallMs?: number;
  /** How long a line is watched before it is judged too slow. @default 30 000 */
  judgeAfterMs?: number;
  log: Log;
  signal: AbortSignal;
  clock?: Clock;
  /** Told what the line gave, in Mbps, where a try ran for long enough to say. */
  onSpeed?: (mbps: number) => void;
}

/** A shorter try says more of the start of a connection than of the line. */
const leastSecondsForSpeed = 5;

/** So many tries in a row that bring nothing end the pull. */
const mostIdleTries = 4;

/** How one try ended. `stalled` and `broken` can be repeated; what is there is kept. */
type Outcome = { is: "done" } | { is: "stalled" } | { is: "broken"; seen: string };

/**
 * Pulls a model through Ollama's API, with a live percentage, and again when it stalls or breaks off.
 * @throws CloreError `model.unknown-tag`, `model.no-space`, `model.too-slow-line`, `model.stalled`, `model.corrupt`,
 * `model.pull-failed`
 */
export async function pullModel(
  client: Pick<OllamaClient, "pull">,
  reference: ModelReference,
  options: PullOptions,
): Promise<void> {
  const clock = options.clock ?? systemClock;
  const deadline = clock.now() + options.limitMs;
  let idle = 0;
  let corrupt = 0;
  for (;;) {
    const progress = new PullProgress(options.expectedBytes);
    const outcome = await tryOnce(client, reference, progress, deadline, { ...options, clock });
    if (outcome.is === "done") return;
    const state = progress.state();
    idle = state.loadedBytes > 0 ? 0 : idle + 1;
    const seen = outcome.is === "stalled" ? "no progress" : outcome.seen;
    if (/digest mismatch/i.test(seen) && ++corrupt > 1) throw corruptData(reference, seen);
    if (idle >= mostIdleTries)
      throw outcome.is === "stalled" ? stalled(reference, state) : failed(reference, seen);
    options.log.info(
      outcome.is === "stalled"
        ? `${reference.tag}: no progress for ${formatSeconds((options.stallMs ?? 60_000) / 1000)} at ${formatBytes(state.doneBytes)}: pulling again, finished parts are kept`
        : `${reference.tag}: the pull broke off at ${formatBytes(state.doneBytes)} (${seen}): going on`,
    );
    await clock.sleep(Math.min(1000 * 2 ** idle, 10_000), options.signal);
  }
}

async function tryOnce(
  client: Pick<OllamaClient, "pull">,
  reference: ModelReference,
  progress: PullProgress,
  deadline: number,
  options: PullOptions & { clock: Clock },
): Promise<Outcome> {
  const { clock, log } = options;
  const stallMs = options.stallMs ?? 60_000;
  const start = clock.now();
  const stop = new AbortController();
  let lastProgress = start;
  let lastSeen = "";
  let lastStatus = "";
  const sparing = new Sparing();
  let tooSlow: CloreError | undefined;
  const watch = setInterval(
    () => {
      const now = clock.now();
      tooSlow ??= judgeLine(reference, progress.state(), {
        watchedMs: now - start,
        leftMs: deadline - now,
        judgeAfterMs: options.judgeAfterMs ?? 30_000,
      });
      const patience = patienceMs(lastStatus, progress.state().totalBytes, stallMs);
      if (tooSlow || now - lastProgress > patience) stop.abort();
    },
    Math.min(1000, stallMs / 4),
  );
  try {
    const signal = AbortSignal.any([options.signal, stop.signal]);
    const want = { name: reference.pullName, insecure: reference.insecure };
    for await (const event of client.pull(want, signal)) {
      if (event.error !== undefined) return { is: "broken", seen: classify(reference, event.error) };
      if (event.status === "success") return { is: "done" };
      const now = clock.now();
      progress.add(event, now);
      const state = progress.state();
      // A line that repeats itself is no progress: only bytes and new steps are.
      const seen = `${event.status} ${state.doneBytes}`;
      if (seen !== lastSeen) lastProgress = now;
      lastSeen = seen;
      lastStatus = event.status;
      if (event.digest) {
        if (sparing.percent(percentOf(state), now)) log.status(describePull(reference.tag, state));
      } else if (sparing.step(event.status)) log.status(`${reference.tag}: ${printable(event.status)}`);
    }
    return { is: "broken", seen: "Ollama ended the pull without a word" };
  } catch (error) {
    options.signal.throwIfAborted();
    if (tooSlow) throw tooSlow;
    if (stop.signal.aborted) return { is: "stalled" };
    if (error instanceof CloreError && error.code.startsWith("model.")) throw error;
    return { is: "broken", seen: printable(error instanceof Error ? error.message : String(error)) };
  } finally {
    clearInterval(watch);
    const seconds = (lastProgress - start) / 1000;
    const { loadedBytes } = progress.state();
    if (seconds >= leastSecondsForSpeed && loadedBytes > 0)
      options.onSpeed?.((loadedBytes * 8) / 1e6 / seconds);
  }
}

/** A slow disk, in bytes per second. */
const slowestHash = 20e6;

/** How long a step may be silent. Ollama says once that it verifies, and then nothing until all is hashed. Pure. */
export function patienceMs(status: string, totalBytes: number, stallMs: number): number {
  return status.startsWith("verifying") ? Math.max(stallMs, (totalBytes / slowestHash) * 1000) : stallMs;
}

/**
 * Whether a line is too slow to load the rest in time. Pure. Judged only after some time, so that a slow start is
 * forgiven; past the limit it always is.
 */
export function judgeLine(
  reference: Pick<ModelReference, "tag">,
  state: PullState,
  time: { watchedMs: number; leftMs: number; judgeAfterMs: number },
): CloreError | undefined {
  const { secondsLeft, bytesPerSecond } = state;
  const late = time.leftMs <= 0;
  const judged = time.watchedMs >= time.judgeAfterMs && secondsLeft !== undefined;
  if (!late && !(judged && secondsLeft * 1000 > time.leftMs)) return undefined;
  const speed =
    bytesPerSecond === undefined ? "unknown speed" : `${((bytesPerSecond * 8) / 1e6).toFixed(1)} Mbps`;
  return new CloreError("model.too-slow-line", {
    message: `${reference.tag} would not be there within maxTimeToReady`,
    seen: `${formatBytes(state.doneBytes)} of ${formatBytes(state.totalBytes)} at ${speed}${secondsLeft === undefined ? "" : `, ${formatSeconds(secondsLeft)} left`}, ${formatSeconds(Math.max(0, time.leftMs) / 1000)} allowed`,
    hint: "raise maxTimeToReady, or rent a host with more minDownMbps; what was loaded is kept",
    retry: "later",
  });
}

/** Ollama's words as an error of ours where repeating is of no use; otherwise the words. */
function classify(reference: ModelReference, words: string): string {
  const seen = printable(words.slice(0, 500));
  if (/pull model manifest: (file does not exist|.*(not found|404|MANIFEST_UNKNOWN))/i.test(words)) {
    throw unknownTag(reference, seen);
  }
  if (isDiskFull(words)) {
    throw new CloreError("model.no-space", {
      message: `the host's disk became full while ${reference.tag} was pulled`,
      seen,
      hint: "free space on the host, or take one with a bigger disk (minDiskGb); finished parts are kept",
    });
  }
  return seen;
}

/** The registry has no such model. */
export function unknownTag(
  reference: ModelReference,
  seen: string,
  nearest: readonly string[] = [],
): CloreError {
  return new CloreError("model.unknown-tag", {
    message: `the registry ${new URL(reference.registry).host} has no model ${reference.tag}`,
    seen,
    hint: nearest.length > 0 ? `nearest: ${nearest.join(", ")}` : "look the tag up at ollama.com/library",
  });
}

function stalled(reference: ModelReference, state: PullState): CloreError {
  return new CloreError("model.stalled", {
    message: `the pull of ${reference.tag} stands still, and beginning it again does not help`,
    seen: `${formatBytes(state.doneBytes)} of ${formatBytes(state.totalBytes)}, ${mostIdleTries} tries without a byte`,
    hint: "run it again later (finished parts are kept), or take another host or registry",
    retry: "later",
  });
}

function corruptData(reference: ModelReference, seen: string): CloreError {
  return new CloreError("model.corrupt", {
    message: `what the registry sends for ${reference.tag} has not the digest that it should have, twice`,
    seen,
    hint: "a proxy or mirror may alter files; try another registry",
    retry: "later",
  });
}

function failed(reference: ModelReference, seen: string): CloreError {
  return new CloreError("model.pull-failed", {
    message: `${reference.tag} could not be pulled`,
    seen,
    hint: "these are Ollama's own words; can the host reach the registry?",
    retry: "later",
  });
}
