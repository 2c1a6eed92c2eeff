import { randomUUID } from "node:crypto";
import {
  closeSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readSync,
  type Stats,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { CloreError } from "../core/errors.ts";
import { type Line, leftovers, readLines, unique } from "./lines.ts";

/** What is about to be rented, written before the service is asked. */
export interface Intent {
  /** Which account: a digest of API address and key (see `accountOf`). */
  account: string;
  /** The Pulumi resource that rents. */
  urn: string;
  /** Fingerprint of the SSH key that the order is made with: whoever holds the key owns the order. */
  keyFingerprint: string;
  serverId: number;
  image: string;
  market: string;
  currency: string;
  /** In `currency`, per day. */
  pricePerDay: number;
  /** In USD per day, at the rates of the listing. */
  pricePerDayUsd?: number;
  /** Digest of ports, environment and command; undefined where it is not known how the order was made. */
  settings?: string;
}

/** How an intent ended, or how far it has come. */
export type Outcome =
  /** The service said yes; the order was not seen yet. */
  | { outcome: "accepted" }
  /**
   * The order was seen. It bills until `cancelled` or `ended`. `certain`: it was seen as the service said yes, or our
   * key opened it; otherwise it was only found on the same server after an unclear answer.
   */
  | { outcome: "order"; orderId: number; certain?: boolean }
  /** A stack's state was seen to name the order: it is no longer the ledger's to look after. */
  | { outcome: "kept" }
  /** The service refused: nothing was made. */
  | { outcome: "refused"; reason: string }
  /** Looked for until the limit and not there. */
  | { outcome: "absent" }
  /** Cancelled, and confirmed gone. */
  | { outcome: "cancelled"; reason: string }
  /** Gone without our doing: expired, outbid, ended by its host. */
  | { outcome: "ended" };

/** An intent with what became of it. `outcome` undefined: nobody knows yet. */
export interface Entry extends Intent {
  intentId: string;
  at: Date;
  pid: number;
  outcome: Exclude<Outcome["outcome"], "kept"> | undefined;
  orderId: number | undefined;
  /** Whether the service said yes to the create: then an order was surely made. */
  accepted: boolean;
  /** Whether the order that was seen is surely ours: see `Outcome`. */
  certain: boolean;
  /** Whether a stack's state was seen to name it. */
  kept: boolean;
  reason: string | undefined;
  /** Of the newest line. */
  changedAt: Date;
}

/** Whether an order may stand behind the entry: its outcome is unknown, or the order was seen and never given back. */
export function mayBill(entry: Pick<Entry, "outcome">): boolean {
  return entry.outcome === undefined || entry.outcome === "accepted" || entry.outcome === "order";
}

/**
 * The local record of what was rented: an append-only file of JSON lines, each fsynced before the call returns.
 * Several processes may append at once (one `write` a line, O_APPEND). A line torn by a crash is skipped when read.
 * @example const ledger = new Ledger("/home/me/.pulumi-clore"); const id = ledger.intend(intent)
 */
export class Ledger {
  readonly path: string;

  constructor(directory: string) {
    this.path = join(directory, "ledger.jsonl");
  }

  /** Writes an intent. Gives its id. @throws CloreError `rental.unrecorded` */
  intend(intent: Intent): string {
    const intentId = randomUUID();
    this.#append({ kind: "intent", intentId, at: new Date().toISOString(), pid: process.pid, ...intent });
    return intentId;
  }

  /** Writes what became of an intent. @throws CloreError `rental.unrecorded` */
  conclude(intentId: string, outcome: Outcome): void {
    this.#append({ kind: "outcome", intentId, at: new Date().toISOString(), ...outcome });
  }

  /** All entries, oldest first. @throws CloreError `rental.unreadable` */
  entries(): Entry[] {
    try {
      return entriesOf(this.#lines());
    } catch (error) {
      throw new CloreError("rental.unreadable", {
        message: `the record of what was rented cannot be read in ${dirname(this.path)}`,
        seen: error instanceof Error ? error.message : String(error),
        hint: "let CLORE_HOME name a folder of yours that can be read and written, the one that was rented with, and run again",
        retry: "later",
        cause: error,
      });
    }
  }

  /** A compaction in between moves lines from file to file: then once more. */
  #lines(): Line[] {
    for (;;) {
      const before = this.#files();
      // The older file first: lines of the same millisecond keep their order.
      const lines = unique([...leftovers(this.path), this.path].flatMap(readLines));
      if (this.#files() === before) return lines.flatMap(({ line }) => (line ? [line] : []));
    }
  }

  #files(): string {
    const inode = statSync(this.path, { throwIfNoEntry: false })?.ino;
    return [inode, ...leftovers(this.path)].join();
  }

  #append(line: Line): void {
    try {
      this.#write(line);
    } catch (error) {
      throw new CloreError("rental.unrecorded", {
        message: `what is rented cannot be written down in ${this.path}`,
        seen: error instanceof Error ? error.message : String(error),
        hint: "free space on this machine's disk, or let CLORE_HOME name a folder that can be written, and run again",
        retry: "later",
        cause: error,
      });
    }
  }

  #write(line: Line): void {
    mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 });
    for (;;) {
      const file = openSync(this.path, "a+", 0o600);
      try {
        writeSync(file, `${endsTorn(file) ? "\n" : ""}${JSON.stringify(line)}\n`);
        fsyncSync(file);
        // Replaced by a compaction meanwhile: what was written may be in nobody's file any more. Twice does no harm.
        if (isSame(fstatSync(file), this.path)) return;
      } finally {
        closeSync(file);
      }
    }
  }
}

/** What the lines say, whatever their order: a line may stand twice, and an intent behind its outcome. */
export function entriesOf(lines: readonly Line[]): Entry[] {
  const entries = new Map<string, Entry>();
  for (const line of lines) {
    if (line.kind !== "intent" || entries.has(line.intentId)) continue;
    const { kind: _, at, ...intent } = line;
    const unknownYet = {
      outcome: undefined,
      orderId: undefined,
      accepted: false,
      certain: false,
      kept: false,
      reason: undefined,
    };
    entries.set(line.intentId, { ...intent, ...unknownYet, at: new Date(at), changedAt: new Date(at) });
  }
  for (const line of lines) {
    const entry = line.kind === "outcome" ? entries.get(line.intentId) : undefined;
    if (entry && line.kind === "outcome") apply(line, entry);
  }
  return [...entries.values()].toSorted((a, b) => a.at.getTime() - b.at.getTime());
}

function apply(line: Extract<Line, { kind: "outcome" }>, entry: Entry): void {
  entry.orderId = line.orderId ?? entry.orderId;
  entry.accepted ||= line.outcome === "accepted";
  entry.certain ||= line.certain === true;
  if (line.outcome === "kept") {
    entry.kept = true;
    return;
  }
  const at = new Date(line.at);
  // Lines that were carried over stand behind younger ones.
  if (!mayBill(entry) && mayBill({ outcome: line.outcome }) && at < entry.changedAt) return;
  entry.outcome = line.outcome;
  entry.reason = line.reason;
  entry.changedAt = at;
}

function isSame(open: Stats, path: string): boolean {
  const named = statSync(path, { throwIfNoEntry: false });
  return named?.ino === open.ino && named.dev === open.dev;
}

/** A crash in mid-write leaves a line without its end: the next one must not be glued to it. */
function endsTorn(file: number): boolean {
  const { size } = fstatSync(file);
  if (size === 0) return false;
  const last = Buffer.alloc(1);
  readSync(file, last, 0, 1, size - 1);
  return last[0] !== 0x0a;
}
