import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { z } from "zod";

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
    pricePerDayUsd: z.number().optional(),
    settings: z.string().optional(),
  }),
  z.object({
    kind: z.literal("outcome"),
    intentId: z.string(),
    at: z.string(),
    outcome: z.enum(["accepted", "order", "kept", "refused", "absent", "cancelled", "ended"]),
    orderId: z.number().optional(),
    certain: z.boolean().optional(),
    reason: z.string().optional(),
  }),
]);

/** One line of the ledger's file. */
export type Line = z.infer<typeof lineSchema>;

/** A line as it stands in the file. `line` is undefined for what a later version may have written. */
export interface RawLine {
  text: string;
  line: Line | undefined;
}

/** What a compaction that was killed has left beside the ledger: it still holds lines that may stand nowhere else. */
export function leftovers(path: string): string[] {
  let names: string[];
  try {
    names = readdirSync(dirname(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
  return names
    .filter((name) => name.startsWith(`${basename(path)}.old-`))
    .map((name) => join(dirname(path), name));
}

/** Reads the lines of a file; torn ones are left out, a missing file has none. */
export function readLines(path: string): RawLine[] {
  try {
    return parseLines(readFileSync(path, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

export function parseLines(text: string): RawLine[] {
  return text.split("\n").flatMap((raw) => {
    try {
      const json: unknown = JSON.parse(raw);
      return typeof json === "object" && json !== null
        ? [{ text: raw, line: lineSchema.safeParse(json).data }]
        : [];
    } catch {
      return [];
    }
  });
}

/** A compaction carries lines over before it drops the file that they stood in: each counts once, where it first stands. */
export function unique(lines: readonly RawLine[]): RawLine[] {
  return [...new Map(lines.map((raw) => [raw.text, raw])).values()];
}
