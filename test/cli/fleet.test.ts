import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { FileBackend } from "../backend/support.ts";
import { needs } from "../support/needs.ts";
import { Fleet } from "./fleet.ts";

const clore = fileURLToPath(new URL("../../bin/clore", import.meta.url));

const hasPulumi = !needs("pulumi");
let backend: FileBackend;
beforeAll(() => {
  backend = new FileBackend();
  if (hasPulumi) backend.stack("proxy", "dev", []);
});
afterAll(() => backend[Symbol.dispose]());

let fleet: Fleet;
beforeEach(async () => {
  fleet = await Fleet.start(backend);
});
afterEach(() => fleet[Symbol.asyncDispose]());

describe.skipIf(!hasPulumi)("clore ps", () => {
  test("shows every order with its owner, price, spending and lease", async () => {
    const [mine, free, inBitcoin] = [
      await fleet.rent(100),
      await fleet.rent(101),
      await fleet.rent(102, "bitcoin"),
    ];
    backend.write("proxy", "dev", [
      { orderId: mine, lease: "8h" },
      { name: "big", orderId: inBitcoin, lease: "none" },
      { name: "lost", orderId: 5 },
    ]);
    const { code, out } = await fleet.run("ps");
    expect(code).toBe(0);
    const lines = out.split("\n");
    expect(lines[0]).toMatch(/^ +ORDER +SERVER +GPU +OWNER +USD\/DAY +SPENT +AGE +LEASE LEFT$/);
    expect(lines[1]).toMatch(
      new RegExp(`^${mine} +100 +1x RTX 3090 +proxy/dev gpu +3\\.50 +0\\.\\d\\d +\\d+ s +(8 h|7 h 59 min)$`),
    );
    expect(lines[2]).toMatch(new RegExp(`^${free} +101 .* nobody .* -$`));
    expect(lines[3]).toMatch(new RegExp(`^${inBitcoin} +102 .* proxy/dev big +3\\.\\d\\d .* none$`));
    expect(out).toMatch(/3 orders, 10\.\d\d USD per day/);
    expect(out).toContain("order 5 of organization/proxy/dev is in its state and not listed");
    expect(out).toContain("1 of them belong to nobody: see clore sweep");
  });

  test("writes down that what this machine has rented is over, where the service says so", async () => {
    const orderId = await fleet.rent(100);
    const [over, unknown] = [fleet.intend(), fleet.intend({ serverId: 101 })];
    const { ledger, clore } = fleet.account;
    ledger.conclude(over, { outcome: "order", orderId });
    ledger.conclude(unknown, { outcome: "order", orderId: 5 });
    await fleet.run("ps");
    expect(ledger.entries()).toMatchObject([{ outcome: "order" }, { outcome: "order" }]);
    await clore.cancelOrder(orderId);
    await fleet.run("ps");
    expect(ledger.entries()).toMatchObject([{ outcome: "ended" }, { outcome: "order" }]);
  });

  test("--json says the same for programs, in a process of its own", async () => {
    const orderId = await fleet.rent(100);
    backend.write("proxy", "dev", [{ orderId }]);
    const child = spawn(clore, ["ps", "--json"], { env: fleet.env });
    let text = "";
    child.stdout.on("data", (piece) => {
      text += piece;
    });
    expect(await once(child, "close")).toEqual([0, null]);
    expect(JSON.parse(text)).toMatchObject({
      orders: [
        {
          orderId,
          owner: "stack",
          stack: "organization/proxy/dev",
          pricePerDayUsd: 3.5,
          currency: "USD-Blockchain",
        },
      ],
      unlisted: [],
      backend: "read",
    });
  });
});

test("clore ps shows orders without owners where no backend can be read, and says why", async () => {
  const orderId = await fleet.rent(100);
  const { code, out, err } = await fleet.run("ps", { env: { ...fleet.env, PATH: "/nowhere" } });
  expect([code, err]).toEqual([0, expect.stringContaining("the pulumi CLI is not on the PATH")]);
  expect(out).toMatch(new RegExp(`^${orderId} +100 +1x RTX 3090 +\\? `, "m"));
});

test.each(["ps", "sweep", "guard --once"])("clore %s needs a key, and says which", async (line) => {
  const { code, err } = await fleet.run(line, { env: { ...fleet.env, CLORE_API_KEY: undefined } });
  expect([code, err]).toEqual([1, expect.stringContaining("set CLORE_API_KEY")]);
});

test.each([
  { line: "ps --all", says: "--all" },
  { line: "sweep --max few --grace soon --keep x", says: '--max: "few" is no whole number' },
  { line: "guard --warn 5 --every 1", says: '--every: "1" is no time' },
  { line: "ledger now", says: "now" },
])("clore $line is not understood", async ({ line, says }) => {
  const { code, err } = await fleet.run(line);
  expect([code, err]).toEqual([2, expect.stringContaining(says)]);
});

describe.skipIf(!hasPulumi)("clore guard", () => {
  test("warns about a lease that has ended, cancels it when the warning time is over, and nothing else", async () => {
    const [over, running, endless, foreign] = [
      await fleet.rent(100),
      await fleet.rent(101),
      await fleet.rent(102),
      await fleet.rent(103),
    ];
    backend.write("proxy", "dev", [
      { orderId: over, lease: "1s" },
      { name: "b", orderId: running, lease: "8h" },
      { name: "c", orderId: endless, lease: "none" },
    ]);
    await delay(1500);
    const warned = await fleet.run("guard --once");
    expect(warned).toMatchObject({ code: 0, err: "" });
    expect(warned.out).toMatch(
      new RegExp(`Z WARNING order ${over} of organization/proxy/dev gpu \\(3\\.50 USD per day\\)`),
    );
    expect(warned.out).toContain("looked at 2 leases in 1 stack, 1 over");
    expect((await fleet.run("guard --once --warn 0 --dry-run")).out).toContain(`would cancel order ${over}`);
    const { out } = await fleet.run("guard --once --json");
    expect(
      out
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toMatchObject([
      { at: expect.stringMatching(/Z$/), event: "warning", orderId: over, pricePerDayUsd: 3.5 },
      { event: "looked", leases: 2, stacks: 1, over: 1 },
    ]);
    expect(fleet.live()).toHaveLength(4);
    const cancelled = await fleet.run("guard --once --warn 0");
    expect([cancelled.code, cancelled.out]).toEqual([0, expect.stringContaining(`CANCELLED order ${over}`)]);
    expect(fleet.live()).toEqual([running, endless, foreign]);
    expect(fleet.account.ledger.entries()).toMatchObject([{ orderId: over, reason: "its lease ended" }]);
  });

  test("does nothing about what is not listed, whoever cannot be asked, and what may be somebody else's", async () => {
    const orderId = await fleet.rent(100);
    backend.write("proxy", "dev", [{ orderId, lease: "1s", certain: false }]);
    await delay(1100);
    await fleet.clore.faults.order("empty-listing");
    const unknown = await fleet.run("guard --once --warn 0");
    expect([unknown.code, unknown.err]).toEqual([
      0,
      expect.stringContaining("not listed, so nothing is done"),
    ]);
    const unproven = await fleet.run("guard --once --warn 0");
    expect([unproven.code, unproven.err]).toEqual([1, expect.stringContaining("may be somebody else's")]);
    const told = await fleet.run("guard --once --warn 0 --json");
    expect([told.code, told.err, JSON.parse(told.out.split("\n")[0]!)]).toEqual([
      1,
      "",
      expect.objectContaining({ event: "not-cancelled", orderId }),
    ]);
    const env = { ...fleet.env, PULUMI_BACKEND_URL: `file://${backend.folder}/missing` };
    expect(await fleet.run("guard --once --warn 0", { env })).toMatchObject({ code: 1 });
    const failed = await fleet.run("guard --once --json", { env });
    expect([failed.code, failed.err, JSON.parse(failed.out)]).toEqual([
      1,
      "",
      expect.objectContaining({ event: "failed", code: expect.stringMatching(/^backend\./) }),
    ]);
    expect(fleet.live()).toEqual([orderId]);
  });

  test("as a daemon goes on after a bad moment, cancels, and ends at SIGTERM", async () => {
    const orderId = await fleet.rent(100);
    backend.write("proxy", "dev", [{ orderId, lease: "1s" }]);
    await fleet.clore.faults.order("html-403", { path: "my_orders" });
    const child = spawn(clore, ["guard", "--every", "1s", "--warn", "0"], { env: fleet.env });
    const said = { out: "", err: "" };
    child.stdout.on("data", (piece) => {
      said.out += piece;
    });
    child.stderr.on("data", (piece) => {
      said.err += piece;
    });
    const closed = once(child, "close");
    for (let waited = 0; waited < 200 && !said.out.includes("CANCELLED"); waited++) await delay(50);
    child.kill("SIGTERM");
    expect(await closed).toEqual([0, null]);
    expect(said.out).toMatch(new RegExp(`CANCELLED order ${orderId} [^]*stopped\n$`));
    expect(said.err).toContain("nothing was done this time: clore.");
    expect(fleet.live()).toEqual([]);
  });
});

describe("clore ledger", () => {
  test("says what was set out to rent and what became of it", async () => {
    fleet.intend();
    const { ledger } = fleet.account;
    const outcomes = [
      { outcome: "accepted" },
      { outcome: "order", orderId: 7 },
      { outcome: "refused", reason: "clore.server-offline" },
      { outcome: "absent" },
      { outcome: "ended" },
    ] as const;
    for (const [i, outcome] of outcomes.entries())
      ledger.conclude(fleet.intend({ serverId: 101 + i }), outcome);
    const kept = fleet.intend({ serverId: 200 });
    ledger.conclude(kept, { outcome: "order", orderId: 8 });
    ledger.conclude(kept, { outcome: "kept" });
    const { code, out } = await fleet.run("ledger");
    expect(code).toBe(0);
    const rows = out.split("\n");
    expect(rows[0]).toMatch(/^SINCE +ORDER +SERVER +USD\/DAY +RESOURCE +WHAT BECAME OF IT$/);
    expect(rows.slice(1, 8).map((row) => row.replace(/^\S+ \S+ +/, "").replaceAll(/ +/g, " "))).toEqual([
      `- 100 3.50 proxy/dev gpu unknown: asked for, no answer written down (process ${process.pid} is at it)`,
      `- 101 3.50 proxy/dev gpu rented, not seen yet (process ${process.pid} is at it)`,
      `7 102 3.50 proxy/dev gpu rented (process ${process.pid} is at it)`,
      "- 103 3.50 proxy/dev gpu refused: clore.server-offline",
      "- 104 3.50 proxy/dev gpu never was: looked for, not there",
      "- 105 3.50 proxy/dev gpu ended by itself",
      "8 200 3.50 proxy/dev gpu rented (a stack's state has it)",
    ]);
    expect(out).toContain("7 entries, 4 may bill;");
    expect(JSON.parse((await fleet.run("ledger --open --json")).out)).toHaveLength(4);
  });

  test("needs no key, and compacts when told", async () => {
    const env = { CLORE_HOME: fleet.env.CLORE_HOME };
    expect((await fleet.run("ledger", { env })).out).toContain("nothing in ");
    fleet.intend();
    expect((await fleet.run("ledger --compact", { env })).err).toBe("dropped 0 lines, kept 1");
    expect(readFileSync(fleet.account.ledger.path, "utf8").split("\n")).toHaveLength(2);
  });
});
