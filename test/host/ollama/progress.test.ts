import fc from "fast-check";
import { expect, test } from "vitest";
import { silentLog } from "../../../src/core/log.ts";
import { describePull, PullProgress, type PullState } from "../../../src/host/ollama/progress.ts";
import { judgeLine, patienceMs, pullModel } from "../../../src/host/ollama/pull.ts";
import { modelReference } from "../../../src/host/ollama/reference.ts";

const event = (digest: string, completed: number, total: number) => ({
  status: "pulling",
  digest,
  total,
  completed,
});

test("tells percentage, speed and time left", () => {
  const progress = new PullProgress(3.3e9);
  progress.add(event("a", 0, 3.3e9), 0);
  progress.add(event("a", 330e6, 3.3e9), 10_000);
  expect(describePull("gemma3:4b", progress.state())).toBe(
    "gemma3:4b: 10 % of 3.3 GB, 33.0 MB/s, 2 min left",
  );
});

test("a slow line is told in kB/s", () => {
  const progress = new PullProgress(1e6);
  progress.add(event("a", 0, 1e6), 0);
  progress.add(event("a", 400e3, 1e6), 10_000);
  expect(describePull("tiny", progress.state())).toBe("tiny: 40 % of 1.0 MB, 40 kB/s, 15 s left");
});

test("a pull tells at most once a second, and of the same percent every 10 s: a log has a row for each", async () => {
  let now = 0;
  const clock = { now: () => now, sleep: () => Promise.reject(new Error("nothing to wait for")) };
  const told: string[] = [];
  const client = {
    async *pull() {
      yield { status: "pulling manifest" };
      // 20 events a second: a second's worth of bytes, then none for a while.
      for (; now < 25_000; now += 50) yield event("a", Math.min(now, 1000) * 0.4e3, 1e6);
      for (let i = 0; i < 9; i++) yield { status: "verifying sha256 digest" };
      yield { status: "success" };
    },
  };
  await pullModel(client, modelReference("tiny:1b", undefined), {
    expectedBytes: undefined,
    limitMs: 1e6,
    log: { ...silentLog, status: (text) => told.push(`${now / 1000} s: ${text.replace(/, .*/, "")}`) },
    signal: new AbortController().signal,
    clock,
  });
  expect(told).toEqual([
    "0 s: tiny:1b: pulling manifest",
    "0 s: tiny:1b: 0 % of 1.0 MB",
    "1 s: tiny:1b: 40 % of 1.0 MB",
    "11 s: tiny:1b: 40 % of 1.0 MB",
    "21 s: tiny:1b: 40 % of 1.0 MB",
    "25 s: tiny:1b: verifying sha256 digest",
  ]);
});

test("what was there before counts as done and not as speed", () => {
  const progress = new PullProgress(undefined);
  progress.add(event("a", 800e6, 1e9), 0);
  progress.add(event("a", 810e6, 1e9), 10_000);
  expect(progress.state()).toEqual({
    doneBytes: 810e6,
    totalBytes: 1e9,
    loadedBytes: 10e6,
    bytesPerSecond: 1e6,
    secondsLeft: 190,
  });
});

test("the speed is that of the last seconds", () => {
  const progress = new PullProgress(1e9);
  for (let second = 0; second <= 60; second++) {
    progress.add(event("a", second < 30 ? 0 : (second - 30) * 1e6, 1e9), second * 1000);
  }
  expect(progress.state().bytesPerSecond).toBeCloseTo(1e6, -4);
});

test("property: never more than 100 %, never less than before, whatever the parts", () => {
  const step = fc.record({ part: fc.constantFrom("a", "b", "c"), more: fc.nat(1000), pause: fc.nat(5000) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
      const progress = new PullProgress(3000);
      const done = { a: 0, b: 0, c: 0 };
      let at = 0;
      let before = 0;
      for (const { part, more, pause } of steps) {
        const key = part as keyof typeof done;
        done[key] = Math.min(1000, done[key] + more);
        at += pause;
        progress.add(event(part, done[key], 1000), at);
        const state = progress.state();
        expect(state.doneBytes).toBeGreaterThanOrEqual(before);
        expect(state.doneBytes).toBeLessThanOrEqual(state.totalBytes);
        before = state.doneBytes;
      }
    }),
  );
});

const state = (secondsLeft: number | undefined): PullState => ({
  doneBytes: 1e9,
  totalBytes: 3e9,
  loadedBytes: 1e9,
  bytesPerSecond: secondsLeft && 2e9 / secondsLeft,
  secondsLeft,
});
test.each([
  { name: "fast enough", left: 60, watchedMs: 40_000, leftMs: 100_000, slow: false },
  { name: "too slow", left: 200, watchedMs: 40_000, leftMs: 100_000, slow: true },
  {
    name: "too slow, but watched for too short a time",
    left: 200,
    watchedMs: 10_000,
    leftMs: 100_000,
    slow: false,
  },
  { name: "no speed known yet", left: undefined, watchedMs: 40_000, leftMs: 100_000, slow: false },
  { name: "past the limit", left: undefined, watchedMs: 5_000, leftMs: 0, slow: true },
])("a line that is $name", ({ left, watchedMs, leftMs, slow }) => {
  const error = judgeLine({ tag: "gemma3:4b" }, state(left), { watchedMs, leftMs, judgeAfterMs: 30_000 });
  expect(error?.code).toBe(slow ? "model.too-slow-line" : undefined);
});

test("loading may not stand still for longer than a minute, hashing 17 GB on a slow disk may", () => {
  expect(patienceMs("pulling 724aa84a2746", 17e9, 60_000)).toBe(60_000);
  expect(patienceMs("verifying sha256 digest", 17e9, 60_000)).toBe(850_000);
  expect(patienceMs("verifying sha256 digest", 1e6, 60_000)).toBe(60_000);
});
