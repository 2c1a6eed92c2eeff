import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { FileBackend } from "../backend/support.ts";
import { endRuns } from "../support/ledger.ts";
import { needs } from "../support/needs.ts";
import { Fleet } from "./fleet.ts";

describe.skipIf(needs("pulumi"))("clore sweep", () => {
  let backend: FileBackend;
  beforeAll(() => {
    backend = new FileBackend();
    backend.stack("proxy", "dev", []);
  });
  afterAll(() => backend[Symbol.dispose]());
  let fleet: Fleet;
  let owned: number;
  let stray: number;
  beforeEach(async () => {
    fleet = await Fleet.start(backend);
    owned = await fleet.rent(100);
    stray = await fleet.rent(101);
    backend.write("proxy", "dev", [{ orderId: owned }]);
  });
  afterEach(() => fleet[Symbol.asyncDispose]());

  test("shows what nobody owns, with age, price and why, and cancels nothing", async () => {
    const { code, out } = await fleet.run("sweep --grace 0");
    expect(code).toBe(0);
    const [head, row, ...rest] = out.split("\n");
    expect(head).toMatch(/^ +ORDER +SERVER +AGE +USD\/DAY +BECAUSE$/);
    expect(row).toMatch(
      new RegExp(
        `^${stray} +101 +\\d+ s +3\\.50  would be cancelled  no state of 1 stack names it, and this machine`,
      ),
    );
    expect(rest.join()).toContain(
      "1 of 2 orders belongs to nobody: 3.50 USD per day,nothing was cancelled: add --cancel",
    );
    expect(fleet.live()).toEqual([owned, stray]);
  });

  test("--cancel ends it, confirmed, and the ledger says so", async () => {
    const { code, out } = await fleet.run("sweep --grace 0 --cancel");
    expect([code, out]).toEqual([0, expect.stringMatching(/3\.50 {2}cancelled {2}no state/)]);
    expect(fleet.live()).toEqual([owned]);
    expect(fleet.account.ledger.entries()).toMatchObject([
      { orderId: stray, outcome: "cancelled", reason: "swept: nobody owned it" },
    ]);
    expect((await fleet.run("sweep")).out).toBe("the one order belongs to somebody (1 stack read)");
  });

  test("leaves young orders alone", async () => {
    const { code, out } = await fleet.run("sweep --cancel");
    expect([code, out]).toEqual([0, expect.stringContaining("left alone: younger than 30 min")]);
    expect(fleet.live()).toEqual([owned, stray]);
  });

  test.each(["creating", "updating"])(
    "leaves alone what a run elsewhere may be %s, of any age",
    async (type) => {
      backend.write("proxy", "dev", [{ orderId: owned }], [{ name: "second", type }]);
      const { code, out } = await fleet.run("sweep --cancel");
      expect([code, out]).toEqual([
        0,
        expect.stringMatching(/left alone: it may be under way: --grace .*second/),
      ]);
      expect(fleet.live()).toEqual([owned, stray]);
      expect((await fleet.run("sweep --cancel --grace 0")).out).toMatch(
        /cancelled .*under way or cut short: second/,
      );
      expect(fleet.live()).toEqual([owned]);
    },
  );

  test("what this machine has rented and no process is at is not under way", async () => {
    backend.write("proxy", "dev", [{ orderId: owned }], [{ name: "second", type: "creating" }]);
    const id = fleet.intend({ serverId: 101 });
    fleet.account.ledger.conclude(id, { outcome: "order", orderId: stray });
    endRuns(fleet.account.ledger);
    expect((await fleet.run("sweep --cancel")).out).toContain("left alone: younger than 30 min");
  });

  test.each(["--keep", "file", "--keep-file"])("leaves alone what is on the keep-list: %s", async (how) => {
    const file = join(how === "file" ? (fleet.env.CLORE_HOME ?? "") : fleet.backend.folder, "keep");
    if (how !== "--keep") writeFileSync(file, `# long training\n${stray} # until Friday\n`);
    const words = { "--keep": ` --keep ${stray}`, file: "", "--keep-file": ` --keep-file ${file}` }[how];
    const { code, out } = await fleet.run(`sweep --cancel --grace 0${words}`);
    expect([code, out]).toEqual([0, expect.stringContaining("left alone: on the keep-list")]);
    expect(fleet.live()).toEqual([owned, stray]);
  });

  test("a keep-list that cannot be understood stops it", async () => {
    writeFileSync(join(fleet.env.CLORE_HOME ?? "", "keep"), "order seven\n");
    expect(await fleet.run("sweep --cancel --grace 0")).toMatchObject({
      code: 2,
      err: expect.stringContaining('"order seven" is no whole number'),
    });
    expect(fleet.live()).toEqual([owned, stray]);
  });

  test("cancels none when there are more than --max", async () => {
    const second = await fleet.rent(102);
    const refused = await fleet.run("sweep --cancel --grace 0 --max 1");
    expect(refused).toMatchObject({ code: 1, err: expect.stringContaining(`sweep.too-many`) });
    expect(refused.err).toContain(`${stray}, ${second}`);
    expect(fleet.live()).toHaveLength(3);
    expect((await fleet.run("sweep --cancel --grace 0 --max 2")).code).toBe(0);
    expect(fleet.live()).toEqual([owned]);
  });

  test.each([
    { fault: "empty-listing", onCall: 1 },
    { fault: "empty-listing", onCall: 2 },
    { fault: "shrunken-listing", onCall: 1 },
    { fault: "shrunken-listing", onCall: 2 },
  ])("refuses after $fault at reading $onCall", async ({ fault, onCall }) => {
    await fleet.clore.faults.order(fault, { onCall });
    expect(await fleet.run("sweep --cancel --grace 0")).toMatchObject({
      code: 1,
      err: expect.stringContaining("sweep.unclear-listing"),
    });
    expect(fleet.live()).toEqual([owned, stray]);
  });

  test("refuses two empty readings, and a listing that fails", async () => {
    await fleet.clore.faults.order("empty-listing", { times: 2 });
    expect((await fleet.run("sweep --cancel --grace 0")).err).toContain("lists no orders");
    await fleet.clore.faults.order("html-403", { path: "my_orders", times: 20 });
    expect((await fleet.run("sweep --cancel --grace 0")).code).toBe(1);
    expect(fleet.live()).toEqual([owned, stray]);
  });

  test("refuses when one stack cannot be read, and when there is none", async () => {
    const file = join(backend.folder, "backend", ".pulumi", "stacks", "proxy", "dev.json");
    writeFileSync(file, readFileSync(file, "utf8").replaceAll(`"serverId":100`, `"serverId":"x"`));
    expect((await fleet.run("sweep --cancel --grace 0")).err).toContain("backend.unreadable");
    using other = new FileBackend();
    const env = { ...fleet.env, PULUMI_BACKEND_URL: other.env.PULUMI_BACKEND_URL };
    expect((await fleet.run("sweep --cancel --grace 0", { env })).err).toContain("sweep.empty-backend");
    expect(fleet.live()).toEqual([owned, stray]);
  });

  test("an order that a run of this machine is renting is not nobody's, nor one of another backend's stack", async () => {
    fleet.intend({ serverId: 101 }); // by this very process
    expect((await fleet.run("sweep --grace 0")).out).toContain("all 2 orders belong to somebody");
    const elsewhere = await fleet.rent(102);
    const id = fleet.intend({ serverId: 102, urn: "urn:pulumi:prod::other::clore:index:Server::x" });
    fleet.account.ledger.conclude(id, { outcome: "order", orderId: elsewhere });
    endRuns(fleet.account.ledger);
    const { out } = await fleet.run("sweep --grace 0");
    expect(out).toMatch(
      /^1(\d+) +101 .* is gone, and the state of organization\/proxy\/dev does not name it/m,
    );
    expect(out).toContain("1 of 3 orders belongs to nobody");
  });

  test("an end that is not confirmed is said, and the exit code tells", async () => {
    await fleet.clore.faults.order("html-403", { path: "cancel_order", times: 1000 });
    const abort = new AbortController();
    const running = fleet.run("sweep --cancel --grace 0", { signal: abort.signal });
    setTimeout(() => abort.abort(new Error("enough")), 2500);
    expect((await running).code).toBe(130);
    expect(fleet.live()).toEqual([owned, stray]);
  });

  test("--json is for programs, and the command works as a process", async () => {
    const clore = fileURLToPath(new URL("../../bin/clore", import.meta.url));
    const child = spawn(clore, ["sweep", "--json", "--grace", "0"], { env: fleet.env });
    let text = "";
    child.stdout.on("data", (piece) => {
      text += piece;
    });
    expect(await once(child, "close")).toEqual([0, null]);
    expect(JSON.parse(text)).toMatchObject({
      listed: 2,
      stacks: 1,
      strays: [{ orderId: stray, serverId: 101, pricePerDayUsd: 3.5, result: "would be cancelled" }],
    });
  });
});
