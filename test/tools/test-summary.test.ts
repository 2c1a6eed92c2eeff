import { expect, test } from "vitest";
import { exitCode, type Outcome, summary } from "../../tools/test-summary.ts";

const fine: Outcome = { passed: 3, failed: 0, skipped: [], errors: [], leftRunning: [] };
const skipped = [
  { file: "test/a.test.ts", name: "one" },
  { file: "test/a.test.ts", name: "two" },
];

test.each<{ name: string; outcome: Partial<Outcome>; last: string; code: number; codeInCi: number }>([
  { name: "all passed", outcome: {}, last: "3 passed, 0 failed, 0 skipped", code: 0, codeInCi: 0 },
  { name: "one failed", outcome: { failed: 1 }, last: "3 passed, 1 failed, 0 skipped", code: 1, codeInCi: 1 },
  { name: "some skipped", outcome: { skipped }, last: "3 passed, 0 failed, 2 skipped", code: 0, codeInCi: 1 },
  {
    name: "nothing ran",
    outcome: { passed: 0 },
    last: "0 passed, 0 failed, 0 skipped",
    code: 1,
    codeInCi: 1,
  },
  {
    name: "only skipped",
    outcome: { passed: 0, skipped },
    last: "0 passed, 0 failed, 2 skipped",
    code: 1,
    codeInCi: 1,
  },
  {
    name: "an error outside of tests",
    outcome: { errors: ["boom"] },
    last: "3 passed, 1 failed, 0 skipped",
    code: 1,
    codeInCi: 1,
  },
  {
    name: "a process left",
    outcome: { leftRunning: ["1 sleep"] },
    last: "3 passed, 1 failed, 0 skipped",
    code: 1,
    codeInCi: 1,
  },
])("$name", ({ outcome, last, code, codeInCi }) => {
  const whole = { ...fine, ...outcome };
  expect(summary(whole, []).at(-1)).toBe(last);
  expect([exitCode(whole, false), exitCode(whole, true)]).toEqual([code, codeInCi]);
});

test("says what was skipped, and why", () => {
  expect(summary({ ...fine, skipped }, ["docker (no docker on the PATH)"]).slice(0, -1)).toEqual([
    "skipped in test/a.test.ts: one; two",
    "this machine lacks: docker (no docker on the PATH)",
  ]);
});
