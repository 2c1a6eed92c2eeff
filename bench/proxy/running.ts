import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "../../test/support/sshd.ts";
import type { Start, Tool } from "./tool.ts";

const startTimeoutMs = 60_000;
/** How often a starting program is asked: no start is told more finely. */
const pollMs = 10;

/** A started program in a process group of its own. */
export interface Running extends AsyncDisposable {
  pid: number;
  url: string;
  /** Milliseconds from spawn to its first healthy answer. */
  healthyMs: number;
}

const groups = new Set<number>();
const folders = new Set<string>();

/** For a signal: ends everything that was started, without waiting. */
export function cleanUp(): void {
  for (const pid of groups) endGroup(pid);
  for (const folder of folders) removeFolder(folder);
}

function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  folders.delete(folder);
}

export async function startTool(tool: Tool, upstream: string): Promise<Running> {
  const work = mkdtempSync(join(tmpdir(), "clore-bench-proxy-"));
  folders.add(work);
  try {
    const port = await freePort();
    const running = await startProgram(tool.start({ upstream, port, work }), port, tool.healthPath);
    return {
      ...running,
      async [Symbol.asyncDispose]() {
        await running[Symbol.asyncDispose]();
        removeFolder(work);
      },
    };
  } catch (error) {
    removeFolder(work);
    throw error;
  }
}

/** Its output goes nowhere: reading it here would be work that is counted against it. */
export async function startProgram(
  { command, env }: Start,
  port: number,
  healthPath: string,
): Promise<Running> {
  const url = `http://127.0.0.1:${port}`;
  const from = performance.now();
  const child = spawn(command[0]!, command.slice(1), {
    env: { PATH: process.env.PATH, ...env },
    stdio: ["ignore", "ignore", "inherit"],
    detached: true,
  });
  await once(child, "spawn");
  const pid = child.pid!;
  groups.add(pid);
  const end = async () => {
    const gone = child.exitCode === null && child.signalCode === null ? once(child, "exit") : undefined;
    endGroup(pid);
    await gone;
    groups.delete(pid);
  };
  try {
    await healthy(child, url + healthPath, from);
  } catch (error) {
    await end();
    throw error;
  }
  return { pid, url, healthyMs: performance.now() - from, [Symbol.asyncDispose]: end };
}

async function healthy(child: ChildProcess, url: string, from: number): Promise<void> {
  while (performance.now() - from < startTimeoutMs) {
    if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended with ${child.exitCode}`);
    const response = await fetch(url).catch(() => undefined); // refused: it does not listen yet
    await response?.arrayBuffer();
    if (response?.ok) return;
    await pause(pollMs);
  }
  throw new Error(`${url} did not become healthy`);
}

function endGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/**
 * Resident megabytes of all its processes, and of these its own ones: the rest is files, mostly Node's or Python's own, which
 * processes share and the kernel drops under pressure.
 */
export function memory(running: Running): { resident: number; own: number } {
  const sum = { resident: 0, own: 0 };
  for (const { folder } of processesOf(running)) {
    const status = readFileSync(join(folder, "status"), "utf8");
    const megabytes = (name: string) =>
      (Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) * 1024) / 1e6;
    sum.resident += megabytes("VmRSS");
    sum.own += megabytes("RssAnon");
  }
  return sum;
}

/** Milliseconds of processor time that all its processes took so far, in steps of 10. */
export function processorMs(running: Running): number {
  const ticksPerSecond = 100; // Linux tells programs so on every machine
  const ticks = processesOf(running).map(({ stat }) => Number(stat[11]) + Number(stat[12]));
  return (ticks.reduce((sum, each) => sum + each, 0) * 1000) / ticksPerSecond;
}

/** `stat`: the fields of /proc/<pid>/stat from the third on, which is the state; the second may hold anything. */
function processesOf({ pid }: Running): { folder: string; stat: string[] }[] {
  const found: { folder: string; stat: string[] }[] = [];
  for (const entry of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    const folder = join("/proc", entry);
    try {
      const stat = readFileSync(join(folder, "stat"), "utf8")
        .replace(/^.*\) /s, "")
        .split(" ");
      if (Number(stat[2]) === pid) found.push({ folder, stat });
    } catch {
      // Another's process, which ended since the folder was listed.
    }
  }
  return found;
}
