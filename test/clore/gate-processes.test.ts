import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "clore-gates-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Child {
  process: ChildProcessByStdio<null, Readable, Readable>;
  lines: string[];
  errors: string[];
  exit: Promise<unknown[]>;
}

function start(kind: string, passes: number): Child {
  const program = fileURLToPath(new URL("gate-child.ts", import.meta.url));
  const child = spawn(process.execPath, [program, folder, kind, String(passes)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  const errors: string[] = [];
  let rest = "";
  child.stdout.on("data", (chunk) => {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop()!;
    lines.push(...parts);
  });
  child.stderr.on("data", (chunk) => errors.push(String(chunk)));
  return { process: child, lines, errors, exit: once(child, "close") };
}

test("processes of one machine keep the rates together, and one that is killed holds nobody up", async () => {
  const victim = start("request", 100_000);
  const others = [start("request", 12), start("request", 12), start("create", 4)];
  while (victim.lines.length < 5) await once(victim.process.stdout, "data");
  victim.process.kill("SIGKILL");
  const [, signal] = await victim.exit;
  expect(signal).toBe("SIGKILL");
  const exits = await Promise.all(others.map(({ exit }) => exit));
  expect(exits).toEqual([
    [0, null],
    [0, null],
    [0, null],
  ]);
  expect(others.flatMap(({ errors }) => errors)).toEqual([]);

  const passes = [victim, ...others]
    .flatMap(({ lines }) => lines)
    .map((line) => ({ create: line.startsWith("create"), at: Number(line.split(" ")[1]) }))
    .toSorted((a, b) => a.at - b.at);
  const gaps = (times: readonly number[]) => times.slice(1).map((at, index) => at - times[index]!);
  expect(passes.length).toBeGreaterThanOrEqual(33);
  expect(Math.min(...gaps(passes.map(({ at }) => at)))).toBeGreaterThanOrEqual(50);
  const creates = passes.filter(({ create }) => create).map(({ at }) => at);
  expect(creates).toHaveLength(4);
  expect(Math.min(...gaps(creates))).toBeGreaterThanOrEqual(250);
});
