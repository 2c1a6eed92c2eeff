import { randomUUID } from "node:crypto";
import {
  closeSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";

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
}

/** How an intent ended, or how far it has come. */
export type Outcome =
  /** The order was seen. It bills until `cancelled` or `ended`. */
  | { outcome: "order"; orderId: number }
  /** The service refused: nothing was made. */
  | { outcome: "refused"; reason: string }
  /** Looked for until the limit and not there. */
  | { outcome: "absent" }
  /** Cancelled, and confirmed gone. */
  | { outcome: "cancelled"; reason: string }
  /** Gone without our doing: expired, outbid, ended by its host. */
  | { outcome: "ended" };

const lineSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("intent"),
    intentId: z.string(),
    at: z.string(),
    pid: z.number(),
    account: z.string(),
    urn: z.string(),
    keyFingerprint: z.string(),
    serverId: z.number(),
    image: z.string(),
    market: z.string(),
    currency: z.string(),
    pricePerDay: z.number(),
  }),
  z.object({
    kind: z.literal("outcome"),
    intentId: z.string(),
    at: z.string(),
    outcome: z.enum(["order", "refused", "absent", "cancelled", "ended"]),
    orderId: z.number().optional(),
    reason: z.string().optional(),
  }),
]);
type Line = z.infer<typeof lineSchema>;

/** An intent with what became of it. `outcome` undefined: nobody knows yet. */
export interface Entry extends Intent {
  intentId: string;
  at: Date;
  pid: number;
  outcome: Outcome["outcome"] | undefined;
  orderId: number | undefined;
  reason: string | undefined;
}

/** Whether an order may stand behind the entry: its outcome is unknown, or the order was seen and never given back. */
export function mayBill(entry: Entry): boolean {
  return entry.outcome === undefined || entry.outcome === "order";
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

  /** Writes an intent. Gives its id. */
  intend(intent: Intent): string {
    const intentId = randomUUID();
    this.#append({ kind: "intent", intentId, at: new Date().toISOString(), pid: process.pid, ...intent });
    return intentId;
  }

  /** Writes what became of an intent. */
  conclude(intentId: string, outcome: Outcome): void {
    this.#append({ kind: "outcome", intentId, at: new Date().toISOString(), ...outcome });
  }

  /** All entries, oldest first. */
  entries(): Entry[] {
    const entries = new Map<string, Entry>();
    for (const line of this.#lines()) {
      if (line.kind === "intent") {
        const { kind: _, at, ...intent } = line;
        entries.set(line.intentId, {
          ...intent,
          at: new Date(at),
          outcome: undefined,
          orderId: undefined,
          reason: undefined,
        });
        continue;
      }
      const entry = entries.get(line.intentId);
      if (!entry) continue;
      entry.outcome = line.outcome;
      entry.orderId = line.orderId ?? entry.orderId;
      entry.reason = line.reason;
    }
    return [...entries.values()];
  }

  #lines(): Line[] {
    let text: string;
    try {
      text = readFileSync(this.path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
    return text.split("\n").flatMap((raw) => {
      try {
        const parsed = lineSchema.safeParse(JSON.parse(raw));
        return parsed.success ? [parsed.data] : [];
      } catch {
        return [];
      }
    });
  }

  #append(line: Line): void {
    mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 });
    const file = openSync(this.path, "a+", 0o600);
    try {
      writeSync(file, `${endsTorn(file) ? "\n" : ""}${JSON.stringify(line)}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }
}

/** A crash in mid-write leaves a line without its end: the next one must not be glued to it. */
function endsTorn(file: number): boolean {
  const { size } = fstatSync(file);
  if (size === 0) return false;
  const last = Buffer.alloc(1);
  readSync(file, last, 0, 1, size - 1);
  return last[0] !== 0x0a;
}
