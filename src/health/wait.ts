import { until } from "../core/until.ts";
import { type Answer, type AskOptions, askOnce, type HealthQuestion } from "./ask.ts";

/**
 * Asks until the answer is right, with pauses that grow to 3 s.
 * @throws CloreError `health.no-answer` at the deadline; its `seen` is the last answer
 */
export async function waitHealthy(
  question: HealthQuestion,
  options: Omit<AskOptions, "timeoutMs"> & {
    deadlineMs: number;
    onLook?: (seen: string, waitedMs: number) => void;
  },
): Promise<Answer & { ok: true }> {
  return until(
    async () => {
      const answer = await askOnce(question, { ...options, timeoutMs: Math.min(30_000, options.deadlineMs) });
      return answer.ok ? { done: true, value: answer } : { done: false, seen: answer.seen };
    },
    {
      what: `${question.method} ${withoutQuery(question.url)}`,
      deadlineMs: options.deadlineMs,
      everyMs: (looks) => Math.min(3000, 200 * 1.6 ** looks),
      signal: options.signal,
      onLook: options.onLook,
      code: "health.no-answer",
      hint: "the service runs but does not answer as expected: look at what was seen; raise timeoutSeconds if it is only slow",
    },
  );
}

/** A query can hold what does not belong into an error. */
function withoutQuery(url: string): string {
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}
