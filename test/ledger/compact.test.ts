import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  copyFileSync,
  linkSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { compact, compactWhenLarge } from "../../src/ledger/compact.ts";
import { type Intent, Ledger, type Outcome } from "../../src/ledger/ledger.ts";

let folder: string;
let ledger: Ledger;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "clore-compact-"));
  ledger = new Ledger(folder);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const intent: Intent = {
  account: "0123456789ab",
  urn: "urn:pulumi:dev::p::clore:index:Server::gpu",
  keyFingerprint: "SHA256:abc",
  serverId: 7,
  image: "image",
  market: "on-demand",
  currency: "USD-Blockchain",
  pricePerDay: 1.5,
};
const day = 86_400_000;

function entry(...outcomes: Outcome[]): string {
  const id = ledger.intend(intent);
  for (const outcome of outcomes) ledger.conclude(id, outcome);
  return id;
}

const ids = () => new Ledger(folder).entries().map((one) => one.intentId);

test("what closed more than 30 days ago goes, what may bill stays however old", () => {
  const order = { outcome: "order", orderId: 1 } as const;
  const unknown = entry();
  const accepted = entry({ outcome: "accepted" });
  const bills = entry(order, { outcome: "kept" });
  for (const closed of [{ outcome: "absent" }, { outcome: "ended" }] as const) entry(order, closed);
  entry({ outcome: "refused", reason: "clore.server-offline" });
  entry(order, { outcome: "cancelled", reason: "destroyed" });

  expect(compact(ledger, Date.now() + 29 * day)).toEqual({ dropped: 0, kept: 17 });
  expect(compact(ledger, Date.now() + 31 * day)).toEqual({ dropped: 11, kept: 6 });
  expect(ids()).toEqual([unknown, accepted, bills]);
  expect(new Ledger(folder).entries()[2]).toMatchObject({ outcome: "order", orderId: 1, kept: true });
  expect(statSync(ledger.path).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder).filter((name) => !name.includes("lock"))).toEqual(["ledger.jsonl"]);
});

test("what a later version wrote is carried over, a torn line is not", () => {
  const later = '{"kind":"lease","of":"something new"}';
  const id = entry();
  appendFileSync(ledger.path, `${later}\n{"kind":"inte`);
  entry();
  compact(ledger, Date.now());
  expect(readFileSync(ledger.path, "utf8")).toContain(later);
  expect(ids()).toHaveLength(2);
  expect(ids()[0]).toBe(id);
});

test("lines that only the leftover of a killed compaction holds are read, and carried over by the next", () => {
  const id = entry();
  linkSync(ledger.path, `${ledger.path}.old-4711-1`);
  rmSync(ledger.path);
  writeFileSync(ledger.path, "");
  const young = entry();
  expect(ids()).toEqual([id, young]);
  compact(ledger, Date.now());
  expect(ids()).toEqual([id, young]);
  expect(readdirSync(folder).some((name) => name.includes(".old-"))).toBe(false);
});

test("a compaction that was killed in the middle of carrying over takes nothing back", () => {
  const id = entry({ outcome: "accepted" }, { outcome: "order", orderId: 3 });
  copyFileSync(ledger.path, `${ledger.path}.old-4711-1`);
  const lines = readFileSync(ledger.path, "utf8").split("\n");
  writeFileSync(ledger.path, `${lines.slice(0, 2).join("\n")}\n`);
  expect(new Ledger(folder).entries()).toMatchObject([{ intentId: id, outcome: "order", orderId: 3 }]);
});

test("a line that was carried over behind a younger one does not open a closed entry again", () => {
  const id = entry({ outcome: "order", orderId: 3 }, { outcome: "cancelled", reason: "destroyed" });
  const lines = readFileSync(ledger.path, "utf8").split("\n");
  const older = JSON.stringify({
    ...JSON.parse(lines[1] ?? ""),
    at: new Date(Date.now() - 5000).toISOString(),
  });
  appendFileSync(ledger.path, `${older}\n`);
  expect(new Ledger(folder).entries()).toMatchObject([{ intentId: id, outcome: "cancelled" }]);
});

test("only one process compacts at a time, and a killed one holds nothing up", async () => {
  entry({ outcome: "absent" });
  const holder = spawn(process.execPath, [
    "--disable-warning=ExperimentalWarning",
    "-e",
    `const { DatabaseSync } = require("node:sqlite");
     new DatabaseSync(${JSON.stringify(`${ledger.path}.lock`)}).exec("BEGIN EXCLUSIVE");
     console.log("held"); setInterval(() => {}, 1000)`,
  ]);
  try {
    await once(holder.stdout, "data");
    expect(compact(ledger)).toBeUndefined();
    expect(ids()).toHaveLength(1);
  } finally {
    holder.kill("SIGKILL");
    await once(holder, "exit");
  }
  expect(compact(ledger)).toEqual({ dropped: 0, kept: 2 });
});

test("processes that write while it is compacted lose no line", async () => {
  const writer = fileURLToPath(new URL("child.ts", import.meta.url));
  const writers = [1, 2].map(() => spawn(process.execPath, [writer, folder, "60"], { stdio: "inherit" }));
  const ends = writers.map((child) => once(child, "exit"));
  const all = Promise.all(ends).then(() => true);
  let rounds = 0;
  while (!(await Promise.race([all, new Promise<false>((resolve) => setTimeout(() => resolve(false), 2))]))) {
    compact(ledger);
    rounds++;
  }
  expect(rounds).toBeGreaterThan(5);
  const entries = new Ledger(folder).entries();
  expect(entries).toHaveLength(120);
  expect(entries.filter((one) => one.outcome !== "order")).toEqual([]);
});

test("a line whose file was replaced while it was being written is written again", () => {
  let written = 0;
  // Asked for between opening the file and writing to it: there the whole compaction takes place.
  const toJSON = () => {
    if (written++ === 0) compact(ledger);
    return intent.image;
  };
  const intentId = ledger.intend({ ...intent, image: { toJSON } as unknown as string });
  expect(written).toBe(2);
  expect(new Ledger(folder).entries()).toMatchObject([{ intentId, image: intent.image }]);
});

test("a ledger that has not grown large is left alone", () => {
  entry({ outcome: "absent" });
  const { ino } = statSync(ledger.path);
  compactWhenLarge(ledger);
  expect(statSync(ledger.path).ino).toBe(ino);
  appendFileSync(ledger.path, `${"x".repeat(600_000)}\n`);
  compactWhenLarge(ledger);
  expect(statSync(ledger.path).ino).not.toBe(ino);
  expect(statSync(ledger.path).size).toBeLessThan(1000);
});
