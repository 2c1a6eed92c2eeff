import { spawn } from "node:child_process";
import { accessSync, constants, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { delimiter, join } from "node:path";
import { CloreError } from "../../src/core/errors.ts";
import type { Log } from "../../src/core/log.ts";
import { cacheDirectory } from "../../src/core/state-directory.ts";
import { withLock } from "./lock.mjs";

/** Where a source works. */
export interface Place {
  /** Kept: the executables. What belongs beside them (`../lib`) may be put there. */
  bin: string;
  /** For archives and the like; removed afterwards. */
  scratch: string;
}

/** A way to get a tool that is not on the machine. */
export interface Source {
  how: "download" | "go";
  /** Puts the executables into `place.bin`. Throws where it cannot, with the reason in one sentence. */
  install(place: Place, log: Log): Promise<void>;
}

/** An outside program that the project needs, and where it can come from. */
export interface Tool {
  name: string;
  version: string;
  executables: readonly string[];
  /** The folder that holds a new enough one, as the machine's owner installed it. */
  onPath(): Promise<{ dir: string; version: string } | undefined>;
  /** Runs what was installed; throws when it does not work here. */
  verify(dir: string): Promise<void>;
  /** Tried in this order. */
  sources: readonly Source[];
  /** The error when nothing worked. */
  missing: { code: string; hint: string };
}

export interface Installed {
  /** Folder with the executables, for the PATH. */
  dir: string;
  version: string;
  how: "path" | "cache" | Source["how"];
}

/**
 * The tool, from the PATH, the cache or the first source that works. What was installed once is found at once later.
 * @throws CloreError with `tool.missing.code` that lists why each source failed
 */
export async function ensureTool(tool: Tool, options: { log: Log; cache?: string }): Promise<Installed> {
  const found = await tool.onPath();
  if (found) return { ...found, how: "path" };
  const base = join(options.cache ?? cacheDirectory(process.env), tool.name);
  const home = join(base, tool.version);
  const cached: Installed = { dir: join(home, "bin"), version: tool.version, how: "cache" };
  if (hasAll(cached.dir, tool.executables)) return cached;
  const onWait = () => options.log.status(`waiting for another run that sets up ${tool.name}`);
  return withLock(join(base, ".lock"), onWait, async () => {
    if (hasAll(cached.dir, tool.executables)) return cached;
    removeLeftovers(base);
    const how = await firstThatWorks(tool, base, home, options.log);
    return { ...cached, how };
  });
}

/** The first executable of that name on the PATH. */
export function which(name: string, path: string = process.env.PATH ?? ""): string | undefined {
  return path
    .split(delimiter)
    .filter((dir) => dir !== "")
    .map((dir) => join(dir, name))
    .find(isExecutable);
}

/** Whether version `seen` is `needed` or newer, with the same major number: 3.260.1 for 3.259.0. */
export function isNewEnough(seen: string, needed: string): boolean {
  const [a, b] = [numbers(seen), numbers(needed)];
  if (!a || !b || a[0] !== b[0]) return false;
  return a[1] !== b[1] ? a[1] > b[1] : a[2] >= b[2];
}

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Runs a program to its end and gives its standard output. A signal to this process ends the program too.
 * @throws Error with the end of its output; CloreError `setup.interrupted` after a signal
 */
export function output(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv; onLine?: (line: string) => void } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let out = "";
    let tail = "";
    child.stdout.on("data", (chunk) => {
      out += chunk;
    });
    child.stderr.on("data", (chunk) => {
      tail = (tail + chunk).slice(-4000);
      for (const line of String(chunk).split("\n")) if (line) options.onLine?.(line);
    });
    let interrupted = false;
    const passOn = (signal: NodeJS.Signals) => {
      interrupted = true;
      child.kill(signal);
    };
    for (const signal of signals) process.on(signal, passOn);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      for (const each of signals) process.off(each, passOn);
      if (interrupted)
        reject(new CloreError("setup.interrupted", { message: "set-up was interrupted; run it again" }));
      else if (code === 0) resolve(out);
      else reject(new Error(`${command} ${args[0]} ended with ${signal ?? code}: ${lastLines(tail || out)}`));
    });
  });
}

async function firstThatWorks(tool: Tool, base: string, home: string, log: Log): Promise<Source["how"]> {
  const reasons: string[] = [];
  for (const source of tool.sources) {
    const temp = mkdtempSync(join(base, ".new-"));
    try {
      const place = { bin: join(temp, "home", "bin"), scratch: join(temp, "scratch") };
      for (const dir of Object.values(place)) mkdirSync(dir, { recursive: true });
      await source.install(place, log);
      await tool.verify(place.bin);
      rmSync(home, { recursive: true, force: true });
      renameSync(join(temp, "home"), home);
      return source.how;
    } catch (error) {
      if (error instanceof CloreError) throw error;
      reasons.push(`${source.how}: ${error instanceof Error ? error.message : String(error)}`);
      log.debug(reasons.at(-1)!);
    } finally {
      rmSync(temp, { recursive: true, force: true });
    }
  }
  throw new CloreError(tool.missing.code, {
    message: `${tool.name} ${tool.version} is not on this machine and could not be set up`,
    seen: reasons.join("; "),
    hint: tool.missing.hint,
    retry: "later",
  });
}

// What a killed run left. Only called under the lock, so nobody is at work in them.
function removeLeftovers(base: string): void {
  for (const name of readdirSync(base)) {
    if (name.startsWith(".new-")) rmSync(join(base, name), { recursive: true, force: true });
  }
}

function hasAll(dir: string, executables: readonly string[]): boolean {
  return executables.every((name) => isExecutable(join(dir, name)));
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function numbers(version: string): [number, number, number] | undefined {
  const match = /^v?(\d+)\.(\d+)\.(\d+)/.exec(version.trim());
  return match ? [Number(match[1]), Number(match[2]), Number(match[3])] : undefined;
}

function lastLines(text: string): string {
  return text.trim().split("\n").slice(-3).join(" | ");
}
