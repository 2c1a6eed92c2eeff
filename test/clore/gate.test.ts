import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { gateName, openRateGate, type RateGate } from "../../src/clore/gate.ts";
import type { PassKind } from "../../src/clore/gate-rules.ts";
import { type Log, silentLog } from "../../src/core/log.ts";
import { Secret } from "../../src/core/secret.ts";
import { FakeClock } from "./fake-clock.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "clore-gate-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const open: RateGate[] = [];
afterEach(() => {
  for (const gate of open.splice(0)) gate.close();
});

const apiUrl = "https://api.example/v1";
let keys = 0;
/** A key that no other test uses. */
const newKey = () => new Secret(`key-${process.pid}-${++keys}`);

function gateOf(apiKey: Secret, clock: FakeClock, options: { directory?: string; log?: Log } = {}): RateGate {
  const gate = openRateGate({
    directory: options.directory ?? folder,
    apiUrl,
    apiKey,
    clock,
    log: options.log,
  });
  open.push(gate);
  return gate;
}

/** Lets the passes run and gives the time of each, in milliseconds from now, in the order of admission. */
async function admissions(
  clock: FakeClock,
  passes: readonly [name: string, pass: Promise<void>][],
): Promise<string[]> {
  const start = clock.now();
  const admitted: string[] = [];
  const all = Promise.all(
    passes.map(([name, pass]) => pass.then(() => admitted.push(`${name}@${clock.now() - start}`))),
  );
  let done = false;
  void all.then(() => {
    done = true;
  });
  await clock.run(() => done);
  await all;
  return admitted;
}

test("requests pass one a second, creates one in five, in the order of asking; reads fill the gaps", async () => {
  const clock = new FakeClock();
  const gate = gateOf(newKey(), clock);
  const asked: [string, PassKind][] = [
    ["c1", "create"],
    ["c2", "create"],
    ["r1", "request"],
    ["r2", "request"],
    ["r3", "request"],
  ];
  expect(
    await admissions(
      clock,
      asked.map(([name, kind]) => [name, gate.pass(kind)]),
    ),
  ).toEqual(["c1@0", "r1@1050", "r2@2100", "r3@3150", "c2@5100"]);
});

test("endless reads neither hold a create up nor are starved by creates", async () => {
  const clock = new FakeClock();
  const gate = gateOf(newKey(), clock);
  const passes = (kind: PassKind, count: number) =>
    Array.from({ length: count }, (): [string, Promise<void>] => [kind, gate.pass(kind)]);
  const order = await admissions(clock, [...passes("create", 4), ...passes("request", 20)]);
  expect(order.filter((pass) => pass.startsWith("create"))).toEqual([
    "create@0",
    "create@5100",
    "create@10200",
    "create@15300",
  ]);
  expect(order.slice(0, 6)).toEqual([
    "create@0",
    "request@1050",
    "request@2100",
    "request@3150",
    "create@5100",
    "request@6150",
  ]);
});

test("creates as frequent as reads do not starve them", async () => {
  const clock = new FakeClock();
  const gate = openRateGate({
    directory: folder,
    apiUrl,
    apiKey: newKey(),
    clock,
    requestEveryMs: 10,
    createEveryMs: 20,
  });
  open.push(gate);
  const order = await admissions(clock, [
    ...Array.from({ length: 10 }, (): [string, Promise<void>] => ["create", gate.pass("create")]),
    ["read", gate.pass("request")],
  ]);
  expect(order.findIndex((pass) => pass.startsWith("read"))).toBe(1);
});

test("a create is not starved by another process that reads without end", async () => {
  const clock = new FakeClock();
  const key = newKey();
  const [reader, creator] = [gateOf(key, clock), gateOf(key, clock)];
  const reads = Array.from({ length: 20 }, (_, index): [string, Promise<void>] => [
    `r${index}`,
    reader.pass("request"),
  ]);
  const order = await admissions(clock, [...reads, ["create", creator.pass("create")]]);
  expect(order.findIndex((name) => name.startsWith("create"))).toBeLessThan(3);
});

test("who gives up while waiting gets his own reason and takes no slot", async () => {
  const clock = new FakeClock();
  const gate = gateOf(newKey(), clock);
  const stop = new AbortController();
  const reason = new Error("Ctrl-C");
  await gate.pass("request");
  const left = gate.pass("request", stop.signal);
  const stays = gate.pass("request");
  stop.abort(reason);
  await expect(left).rejects.toBe(reason);
  expect(await admissions(clock, [["stays", stays]])).toEqual(["stays@1050"]);
  await expect(gate.pass("request", stop.signal)).rejects.toBe(reason);
});

test("a 429 of one process holds all of them, but no longer than a minute", async () => {
  const clock = new FakeClock();
  const key = newKey();
  const [one, other] = [gateOf(key, clock), gateOf(key, clock)];
  await one.penalise(4000);
  await one.penalise(2000);
  expect(await admissions(clock, [["other", other.pass("request")]])).toEqual(["other@4000"]);
  await one.penalise(3_600_000);
  expect(await admissions(clock, [["other", other.pass("request")]])).toEqual(["other@60000"]);
});

test("other keys are not held", async () => {
  const clock = new FakeClock();
  const gates = [gateOf(newKey(), clock), gateOf(newKey(), clock)];
  expect(
    await admissions(
      clock,
      gates.map((gate, index) => [`${index}`, gate.pass("create")]),
    ),
  ).toEqual(["0@0", "1@0"]);
});

test("a clock that is set back by a day does not close the gate", async () => {
  const clock = new FakeClock();
  const key = newKey();
  const gate = gateOf(key, clock);
  await gate.pass("create");
  await gate.penalise(60_000);
  clock.set(clock.now() - 86_400_000);
  expect(
    await admissions(clock, [
      ["a", gate.pass("create")],
      ["b", gate.pass("create")],
    ]),
  ).toEqual(["a@60000", "b@65100"]);
});

test("the file's name tells keys and services apart, and not what they are", () => {
  const name = gateName(apiUrl, new Secret("geheim"));
  expect(name).toMatch(/^gate-[0-9a-f]{16}$/);
  expect(name).toBe(gateName(`${apiUrl}/`, new Secret("geheim")));
  expect(
    new Set([name, gateName(apiUrl, undefined), gateName("http://127.0.0.1:1/v1", new Secret("geheim"))])
      .size,
  ).toBe(3);
  gateOf(new Secret("geheim"), new FakeClock());
  expect(readdirSync(folder)).toContain(`${name}.sqlite`);
});

describe("where the directory cannot be used, it says so and keeps the limits for this process", () => {
  test.each(["a file in its place", "a file that is no database"])("%s", async (what) => {
    const clock = new FakeClock();
    const key = newKey();
    const warnings: string[] = [];
    const log = { ...silentLog, warn: (line: string) => void warnings.push(line) };
    const directory = mkdtempSync(join(folder, "bad-"));
    const inPlace = join(directory, "file");
    writeFileSync(inPlace, "");
    writeFileSync(
      join(directory, `${gateName(apiUrl, key)}.sqlite`),
      "no database at all, but long enough to be read",
    );
    const options = { directory: what === "a file in its place" ? join(inPlace, "sub") : directory, log };
    const [one, other] = [gateOf(key, clock, options), gateOf(key, clock, options)];
    expect(
      await admissions(clock, [
        ["one", one.pass("request")],
        ["other", other.pass("request")],
      ]),
    ).toEqual(["one@0", "other@1020"]);
    expect(warnings).toHaveLength(2);
    expect(warnings[0]).toMatch(
      /^the rate gate in .+ cannot be used \(.+\); request limits are kept for this process only$/,
    );
  });

  test("a file that stays locked is given up after a while, and no limit is broken by that", async () => {
    const clock = new FakeClock();
    const key = newKey();
    const warnings: string[] = [];
    const gate = gateOf(key, clock, { log: { ...silentLog, warn: (line) => void warnings.push(line) } });
    const other = new DatabaseSync(join(folder, `${gateName(apiUrl, key)}.sqlite`));
    other.exec("BEGIN IMMEDIATE");
    const [admitted] = await admissions(clock, [["create", gate.pass("create")]]);
    other.close();
    expect(warnings).toHaveLength(1);
    expect(Number(admitted!.split("@")[1])).toBeGreaterThanOrEqual(5000);
    expect(Number(admitted!.split("@")[1])).toBeLessThan(15_000);
  });
});

test("rates are never exceeded, whoever comes, leaves, dies or is punished when", async () => {
  const step = fc.record({
    process: fc.nat({ max: 3 }),
    kind: fc.constantFrom<PassKind>("request", "request", "create"),
    at: fc.nat({ max: 12_000 }),
    /** Gives up after so long; the passes of a process that is killed simply stop. */
    patience: fc.option(fc.nat({ max: 8000 }), { nil: undefined }),
    penalty: fc.option(fc.nat({ max: 5000 }), { nil: undefined, freq: 6 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
      const clock = new FakeClock();
      const key = newKey();
      const gates = Array.from({ length: 4 }, () => gateOf(key, clock));
      const passed: { kind: PassKind; at: number }[] = [];
      const penalties: { from: number; until: number }[] = [];
      const waited = steps.map(async ({ process, kind, at, patience, penalty }) => {
        await clock.sleep(at);
        const stop = new AbortController();
        if (patience !== undefined) void clock.sleep(patience).then(() => stop.abort(new Error("impatient")));
        const admitted = await gates[process]!.pass(kind, stop.signal).then(
          () => true,
          () => false,
        );
        if (!admitted) return patience !== undefined;
        passed.push({ kind, at: clock.now() });
        if (penalty !== undefined) {
          await gates[process]!.penalise(penalty);
          penalties.push({ from: clock.now(), until: clock.now() + penalty });
        }
        return true;
      });
      const all = Promise.all(waited);
      await clock.run();
      expect(await all).toEqual(steps.map(() => true));
      const gaps = (times: number[]) => times.slice(1).map((at, index) => at - times[index]!);
      expect(Math.min(...gaps(passed.map(({ at }) => at)), 1000)).toBe(1000);
      expect(
        Math.min(...gaps(passed.filter(({ kind }) => kind === "create").map(({ at }) => at)), 5000),
      ).toBe(5000);
      for (const { from, until } of penalties) {
        expect(passed.filter(({ at }) => at > from && at < until)).toEqual([]);
      }
      for (const gate of gates) gate.close();
    }),
    { numRuns: 60 },
  );
});
