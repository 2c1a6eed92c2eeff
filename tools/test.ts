// `npm test`: sets up what the tests need, runs them, and says what was skipped and why. Arguments are vitest's
// filters: `npm test -- ssh`.
import { randomUUID } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { createVitest, type Vitest } from "vitest/node";
import { CloreError, describeError } from "../src/core/errors.ts";
import { bundleProxy } from "./bundle.ts";
import { bundlePlugin } from "./bundle-plugin.ts";
import { lacks, parts } from "./setup/machine.ts";
import { ensureOllama } from "./setup/ollama.ts";
import { terminalLog } from "./setup/progress.mjs";
import { ensurePulumi } from "./setup/pulumi.ts";
import { exitCode, type Outcome, summary } from "./test-summary.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const ci = process.env.CI === "true";
const runId = randomUUID();
let interrupted = false;

async function main(filters: readonly string[]): Promise<number> {
  await setUp();
  const missing = parts.flatMap((part) => {
    const why = lacks(part);
    return why ? [{ part, why }] : [];
  });
  const has = parts.filter((part) => !missing.some((each) => each.part === part));
  const temp = mkdtempSync(join(tmpdir(), "clore-test-"));
  // Inherited by whatever the tests start, so that what is left can be told from what is not ours.
  Object.assign(process.env, { CLORE_TEST_HAS: has.join(","), CLORE_TEST_RUN: runId, TMPDIR: temp });
  try {
    const outcome = await runTests(filters);
    for (const line of summary(
      outcome,
      missing.map(({ part, why }) => `${part} (${why})`),
    ))
      console.log(line);
    return interrupted ? 130 : exitCode(outcome, ci);
  } finally {
    rmSync(temp, { recursive: true, force: true });
  }
}

async function setUp(): Promise<void> {
  const log = terminalLog();
  for (const ensure of [ensurePulumi, ensureOllama]) {
    try {
      const { dir } = await ensure({ log });
      process.env.PATH = `${dir}${delimiter}${process.env.PATH}`;
    } catch (error) {
      // The tests that need it are skipped, with this as the reason; in a pipeline that would hide too much.
      if (ci || !(error instanceof CloreError)) throw error;
      log.warn(describeError(error));
    }
  }
  await bundleProxy();
  await bundlePlugin("clone");
  log.clear();
}

async function runTests(filters: readonly string[]): Promise<Outcome> {
  const vitest = await createVitest("test", {
    root,
    run: true,
    watch: false,
    setupFiles: ["test/support/outlive-signals.ts"],
  });
  const stop = stopOnSignal(vitest);
  let outcome: Outcome;
  try {
    await vitest.start([...filters]);
    outcome = collect(vitest);
  } finally {
    stop();
    await vitest.close();
  }
  return { ...outcome, leftRunning: endLeftovers() };
}

// The first Ctrl-C lets the running tests finish and clean up, the next one ends the run at once. One Ctrl-C can arrive
// several times: from the terminal, and passed on by npm and tools/run.mjs.
function stopOnSignal(vitest: Vitest): () => void {
  let first: number | undefined;
  const onSignal = () => {
    if (first === undefined) {
      first = performance.now();
      interrupted = true;
      console.error("stopping after the running tests; Ctrl-C again ends them at once");
      void vitest.cancelCurrentRun("keyboard-input");
      return;
    }
    if (performance.now() - first < 500) return;
    for (const command of endLeftovers()) console.error(`ended: ${command}`);
    process.exit(130);
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) {
    process.removeAllListeners(signal); // vitest's own exits at once, with the tests' containers left behind
    process.on(signal, onSignal);
  }
  return () => {
    for (const signal of signals) process.off(signal, onSignal);
  };
}

function collect(vitest: Vitest): Outcome {
  const outcome = {
    passed: 0,
    failed: 0,
    skipped: [] as Outcome["skipped"][number][],
    errors: [] as string[],
    leftRunning: [],
  };
  for (const module of vitest.state.getTestModules()) {
    const file = relative(root, module.moduleId);
    for (const error of module.errors()) outcome.errors.push(`${file}: ${error.message}`);
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === "passed") outcome.passed++;
      else if (state === "failed") outcome.failed++;
      else outcome.skipped.push({ file, name: test.fullName });
    }
  }
  for (const error of vitest.state.getUnhandledErrors()) {
    outcome.errors.push(
      error instanceof Error ? error.message : String((error as { message?: unknown }).message ?? error),
    );
  }
  return outcome;
}

// Linux shows the environment of a process; elsewhere nothing is found, and nothing is claimed.
function endLeftovers(): string[] {
  const left: string[] = [];
  for (const pid of readProc("/proc")?.filter((name) => /^\d+$/.test(name)) ?? []) {
    if (Number(pid) === process.pid || !readText(`/proc/${pid}/environ`).includes(`CLORE_TEST_RUN=${runId}`))
      continue;
    const command = readText(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim();
    if (command === "" || command === "vitest-watchdog") continue; // it ends by itself, a moment after vitest
    left.push(`${pid} ${command.slice(0, 200)}`);
    process.kill(Number(pid), "SIGKILL");
  }
  return left;
}

function readProc(path: string): string[] | undefined {
  try {
    return readdirSync(path);
  } catch {
    return undefined;
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error) => {
    console.error(describeError(error));
    console.log("0 passed, 1 failed, 0 skipped");
    process.exit(1);
  },
);
