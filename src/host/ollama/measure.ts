import { CloreError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { LoadedModel, OllamaClient } from "./client.ts";
import { formatBytes } from "./progress.ts";

/** What a loaded model was seen to do. */
export interface Measured {
  /** 1: wholly on GPUs; 0: wholly on the CPU. */
  vramShare: number;
  tokensPerSecond: number;
  /** To the first question that it was asked. */
  firstAnswer: string;
}

export interface MeasureOptions {
  tag: string;
  contextTokens: number | undefined;
  /** The most to wait for the first answer, loading included, in milliseconds. */
  loadTimeoutMs: number;
  log: Log;
}

/** Fewer say more of the clock than of the model. */
const leastTokens = 64;
const mostQuestions = 12;
const firstQuestion = "In one short sentence: what are you?";
const longQuestion = "Count from one to one hundred in words.";

/**
 * Loads a model by asking it something, looks where it lies, and measures its speed over at least 64 tokens of its own
 * counting. @throws CloreError `model.no-answer`
 */
export async function measure(client: OllamaClient, options: MeasureOptions): Promise<Measured> {
  const { tag, contextTokens, log } = options;
  log.status(`${tag}: loading`);
  const ask = (prompt: string, timeoutMs: number) =>
    client.generate({ tag, prompt, maxTokens: 128, contextTokens, timeoutMs });
  const first = await ask(firstQuestion, options.loadTimeoutMs);
  if (first.text === "" || first.tokens === 0) {
    throw new CloreError("model.no-answer", {
      message: `${tag} was loaded and answers nothing`,
      seen: `${first.tokens} tokens`,
      retry: "later",
    });
  }
  const loaded = (await client.loaded()).find((model) => model.tag === tag);
  // The first answer may have shared its time with the loading: it counts only where nothing else is had.
  let tokens = 0;
  let seconds = 0;
  for (let questions = 0; tokens < leastTokens && questions < mostQuestions; questions++) {
    const answer = await ask(longQuestion, 300_000);
    tokens += answer.tokens;
    seconds += answer.seconds;
    log.status(`${tag}: measured ${tokens} tokens`);
    if (answer.tokens === 0) break;
  }
  const [counted, during] = tokens > 0 ? [tokens, seconds] : [first.tokens, first.seconds];
  return {
    vramShare: loaded ? vramShareOf(loaded) : 0,
    tokensPerSecond: during > 0 ? Math.round((counted / during) * 10) / 10 : 0,
    firstAnswer: first.text.slice(0, 500),
  };
}

export function vramShareOf({ sizeBytes, vramBytes }: LoadedModel): number {
  return sizeBytes > 0 ? Math.round(Math.min(1, vramBytes / sizeBytes) * 1000) / 1000 : 0;
}

/** Limits that a loaded model must keep. */
export interface Floor {
  /** `undefined`: not checked. */
  minVramShare: number | undefined;
  minTokensPerSecond: number | undefined;
}

/**
 * Whether what was measured will do. Pure.
 * @throws CloreError `model.spilled`, `model.too-slow`
 */
export function judge(tag: string, sizeBytes: number, seen: Measured, floor: Floor): void {
  const { minVramShare, minTokensPerSecond } = floor;
  const speed = `${seen.tokensPerSecond} tok/s`;
  // Half a per cent is lost to rounding on cards that hold everything.
  if (minVramShare !== undefined && seen.vramShare < minVramShare - 0.005) {
    throw new CloreError("model.spilled", {
      message: `${Math.round(seen.vramShare * 100)} % of ${tag} (${formatBytes(sizeBytes)}) is in VRAM, ${Math.round(minVramShare * 100)} % were asked for: the CPU has to help`,
      seen: speed,
      hint:
        seen.vramShare === 0
          ? "no GPU is used: is its driver there, and does Ollama's log name it?"
          : "take a GPU with more VRAM, a smaller model, contextLength or parallel, or allow it with minVramShare",
    });
  }
  if (minTokensPerSecond !== undefined && seen.tokensPerSecond < minTokensPerSecond) {
    throw new CloreError("model.too-slow", {
      message: `${tag} makes ${speed} here, at least ${Math.round(minTokensPerSecond * 10) / 10} were asked for`,
      seen: `${Math.round(seen.vramShare * 100)} % of it in VRAM`,
      hint: 'take another host (onSlow: "replace" of OllamaServer, trial of Server) or a faster GPU, or lower minTokensPerSecond',
      retry: "later",
    });
  }
}
