/** What a whole run came to. */
export interface Outcome {
  passed: number;
  failed: number;
  /** File and full name of each test that was skipped. */
  skipped: readonly { file: string; name: string }[];
  /** Files that did not load, and errors outside of tests. */
  errors: readonly string[];
  /** Command lines of what tests left running. */
  leftRunning: readonly string[];
}

/** The last lines of `npm test`; the very last one is for programs: `N passed, N failed, N skipped`. */
export function summary(outcome: Outcome, missing: readonly string[]): string[] {
  const lines: string[] = [];
  for (const [file, tests] of Object.entries(Object.groupBy(outcome.skipped, (test) => test.file))) {
    lines.push(`skipped in ${file}: ${tests!.map((test) => test.name).join("; ")}`);
  }
  if (outcome.skipped.length > 0 && missing.length > 0)
    lines.push(`this machine lacks: ${missing.join(", ")}`);
  for (const error of outcome.errors) lines.push(`error: ${error}`);
  for (const command of outcome.leftRunning) lines.push(`left running by a test, ended now: ${command}`);
  lines.push(`${outcome.passed} passed, ${failures(outcome)} failed, ${outcome.skipped.length} skipped`);
  return lines;
}

/** 0 only when something ran and nothing went wrong; with CI=true a skipped test is wrong too. */
export function exitCode(outcome: Outcome, ci: boolean): number {
  if (failures(outcome) > 0 || outcome.passed === 0) return 1;
  return ci && outcome.skipped.length > 0 ? 1 : 0;
}

function failures(outcome: Outcome): number {
  return outcome.failed + outcome.errors.length + outcome.leftRunning.length;
}
