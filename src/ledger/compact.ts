import {
  closeSync,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { entriesOf, type Ledger, mayBill } from "./ledger.ts";
import { leftovers, parseLines, type RawLine, readLines, unique } from "./lines.ts";

/** Closed entries are kept so long, for people who look back, in days. */
const keepDays = 30;
/** A ledger of that size is compacted on the way, in bytes. */
const largeBytes = 512 * 1024;

/** How many lines a compaction dropped and kept. `undefined` entries: another process is at it. */
export interface Compaction {
  dropped: number;
  kept: number;
}

/**
 * Drops what closed more than 30 days ago. Others may append meanwhile and lose nothing: the old file keeps a name
 * until everything that was added to it has been carried over, and a writer whose file was replaced writes again.
 * Gives undefined when another process is compacting. The kernel drops the lock of a killed one.
 * @example compact(new Ledger(directory))
 */
export function compact(ledger: Ledger, now = Date.now()): Compaction | undefined {
  if (!statSync(ledger.path, { throwIfNoEntry: false })) return { dropped: 0, kept: 0 };
  const lock = new DatabaseSync(`${ledger.path}.lock`, { timeout: 0 });
  try {
    try {
      lock.exec("BEGIN EXCLUSIVE");
    } catch {
      return undefined;
    }
    return rewrite(ledger.path, now);
  } finally {
    lock.close();
  }
}

/** Compacts a ledger that has grown large. Never fails: it is housekeeping. */
export function compactWhenLarge(ledger: Ledger): void {
  try {
    if ((statSync(ledger.path, { throwIfNoEntry: false })?.size ?? 0) > largeBytes) compact(ledger);
  } catch {
    // A disk that cannot be written to shows itself at the next intent.
  }
}

function rewrite(path: string, now: number): Compaction {
  const before = leftovers(path);
  const old = openSync(path, "r");
  const draft = `${path}.draft`;
  try {
    const text = readFileSync(old, "utf8");
    // An unfinished line at the end is being written right now: it belongs to the rest.
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    const lines = unique([...before.flatMap(readLines), ...parseLines(whole)]);
    const closed = closedLongAgo(lines, now);
    const kept = lines.filter(({ line }) => line === undefined || !closed.has(line.intentId));
    writeDurably(draft, "w", kept.map(({ text }) => `${text}\n`).join(""));
    const aside = `${path}.old-${process.pid}-${now}`;
    linkSync(path, aside);
    renameSync(draft, path);
    syncFolder(dirname(path));
    const rest = readFrom(old, Buffer.byteLength(whole));
    if (rest.trim() !== "") writeDurably(path, "a", rest.endsWith("\n") ? rest : `${rest}\n`);
    for (const file of [...before, aside]) rmSync(file, { force: true });
    return { dropped: lines.length - kept.length, kept: kept.length };
  } finally {
    closeSync(old);
  }
}

function closedLongAgo(lines: readonly RawLine[], now: number): Set<string> {
  const entries = entriesOf(lines.flatMap(({ line }) => (line ? [line] : [])));
  const oldest = now - keepDays * 86_400_000;
  return new Set(
    entries.filter((one) => !mayBill(one) && one.changedAt.getTime() < oldest).map((one) => one.intentId),
  );
}

function readFrom(file: number, offset: number): string {
  const rest = Buffer.alloc(Math.max(0, fstatSync(file).size - offset));
  return rest.subarray(0, readSync(file, rest, 0, rest.length, offset)).toString("utf8");
}

function writeDurably(path: string, flag: "a" | "w", text: string): void {
  const file = openSync(path, flag, 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
