import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { accountOf } from "../../src/ledger/account.ts";
import { type Intent, Ledger, mayBill, type Outcome } from "../../src/ledger/ledger.ts";

let folder: string;
let ledger: Ledger;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "clore-ledger-"));
  ledger = new Ledger(join(folder, "made", "when needed"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const intent: Intent = {
  account: "0123456789ab",
  urn: "urn:pulumi:dev::p::clore:index:Server::gpu",
  keyFingerprint: "SHA256:abc",
  serverId: 7,
  image: "cloreai/jupyter:ubuntu24.04-v2",
  market: "on-demand",
  currency: "USD-Blockchain",
  pricePerDay: 1.5,
};

test("nothing was rented where there is no file", () => {
  expect(ledger.entries()).toEqual([]);
});

test("an intent stands before anything is known of its end, and only its owner can read it", () => {
  const intentId = ledger.intend(intent);
  const [entry] = new Ledger(join(folder, "made", "when needed")).entries();
  expect(entry).toMatchObject({
    ...intent,
    intentId,
    pid: process.pid,
    outcome: undefined,
    orderId: undefined,
  });
  expect(Math.abs((entry?.at.getTime() ?? 0) - Date.now())).toBeLessThan(10_000);
  expect(statSync(ledger.path).mode & 0o777).toBe(0o600);
});

interface Case {
  outcomes: Outcome[];
  last: Partial<ReturnType<Ledger["entries"]>[number]>;
  bills: boolean;
}

test.each<Case>([
  { outcomes: [], last: { outcome: undefined }, bills: true },
  {
    outcomes: [{ outcome: "refused", reason: "clore.server-offline" }],
    last: { outcome: "refused" },
    bills: false,
  },
  { outcomes: [{ outcome: "absent" }], last: { outcome: "absent" }, bills: false },
  { outcomes: [{ outcome: "order", orderId: 5 }], last: { outcome: "order", orderId: 5 }, bills: true },
  {
    outcomes: [
      { outcome: "order", orderId: 5 },
      { outcome: "cancelled", reason: "ssh.refused" },
    ],
    last: { outcome: "cancelled", orderId: 5, reason: "ssh.refused" },
    bills: false,
  },
  {
    outcomes: [{ outcome: "order", orderId: 5 }, { outcome: "ended" }],
    last: { outcome: "ended", orderId: 5 },
    bills: false,
  },
  {
    outcomes: [{ outcome: "absent" }, { outcome: "order", orderId: 6 }],
    last: { outcome: "order", orderId: 6 },
    bills: true,
  },
])("after $outcomes the last word counts", ({ outcomes, last, bills }) => {
  const id = ledger.intend(intent);
  for (const outcome of outcomes) ledger.conclude(id, outcome);
  const [entry] = ledger.entries();
  expect(entry).toMatchObject(last);
  expect(entry && mayBill(entry)).toBe(bills);
});

test("a line torn by a crash is skipped, and what follows it is whole", () => {
  const first = ledger.intend(intent);
  const second = ledger.intend(intent);
  truncateSync(ledger.path, statSync(ledger.path).size - 25);
  expect(ledger.entries().map((entry) => entry.intentId)).toEqual([first]);

  const third = ledger.intend(intent);
  ledger.conclude(first, { outcome: "absent" });
  expect(ledger.entries().map((entry) => [entry.intentId, entry.outcome])).toEqual([
    [first, "absent"],
    [third, undefined],
  ]);
  expect(second).not.toBe(third);
});

test("rubbish and lines of a later version are skipped", () => {
  const id = ledger.intend(intent);
  appendFileSync(
    ledger.path,
    'not json\n\n{"kind":"lease","of":1}\n[1]\n{"kind":"outcome","intentId":"?"}\n',
  );
  ledger.conclude(id, { outcome: "order", orderId: 1 });
  ledger.conclude("nobody's", { outcome: "order", orderId: 2 });
  expect(ledger.entries().map((entry) => entry.orderId)).toEqual([1]);
});

test("wherever a crash tears the last line, all others are read", () => {
  ledger.intend(intent);
  const id = ledger.intend(intent);
  ledger.conclude(id, { outcome: "order", orderId: 1 });
  const whole = readFileSync(ledger.path);
  const lastLine = whole.lastIndexOf("\n", whole.length - 2) + 1;
  fc.assert(
    fc.property(fc.integer({ min: lastLine, max: whole.length - 2 }), (size) => {
      const torn = mkdtempSync(join(folder, "torn-"));
      const other = new Ledger(torn);
      appendFileSync(other.path, whole.subarray(0, size));
      other.conclude(id, { outcome: "ended" });
      expect(other.entries().map((entry) => entry.outcome)).toEqual([undefined, "ended"]);
    }),
    { numRuns: 30 },
  );
});

test("a record that cannot be written is an error that says where", () => {
  const file = join(folder, "file");
  appendFileSync(file, "");
  expect(() => new Ledger(file).intend(intent)).toThrow(
    expect.objectContaining({
      code: "rental.unrecorded",
      message: expect.stringContaining(`${file}/ledger.jsonl`),
    }),
  );
});

test("a record that cannot be read is an error that says where", () => {
  const file = join(folder, "file");
  appendFileSync(file, "");
  expect(() => new Ledger(join(file, "x")).entries()).toThrow(
    expect.objectContaining({
      code: "rental.unreadable",
      message: expect.stringContaining(`${file}/x`),
      seen: expect.stringContaining("ENOTDIR"),
      hint: expect.stringContaining("CLORE_HOME"),
    }),
  );
});

test("processes that write at the same time lose and mix nothing", async () => {
  const program = fileURLToPath(new URL("child.ts", import.meta.url));
  const children = [1, 2, 3].map(() =>
    spawn(process.execPath, [program, folder, "40"], { stdio: "inherit" }),
  );
  const codes = await Promise.all(children.map(async (child) => (await once(child, "exit"))[0]));
  expect(codes).toEqual([0, 0, 0]);
  const entries = new Ledger(folder).entries();
  expect(entries).toHaveLength(120);
  for (const child of children) {
    const own = entries.filter((entry) => entry.pid === child.pid);
    expect(own.map((entry) => [entry.serverId, entry.orderId])).toEqual(
      Array.from({ length: 40 }, (_, n) => [n, n]),
    );
  }
  // A line that was being written can look torn to another process, which then puts an empty line before its own.
  const lines = readFileSync(join(folder, "ledger.jsonl"), "utf8").split("\n");
  expect(lines.filter((line) => line !== "")).toHaveLength(240);
});

test("an account's name tells accounts apart and holds no key", () => {
  const one = accountOf("https://api.clore.ai/v1", "key-one");
  expect(one).toMatch(/^[0-9a-f]{12}$/);
  expect(accountOf("https://api.clore.ai/v1", "key-two")).not.toBe(one);
  expect(accountOf("http://127.0.0.1:1/v1", "key-one")).not.toBe(one);
  // As the client sends them.
  expect(accountOf("https://api.clore.ai/v1/", " key-one\n")).toBe(one);
});
