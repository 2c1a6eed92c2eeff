import fc from "fast-check";
import { expect, test } from "vitest";
import { decay, type HostEvent, type HostMemory, penalty, remember } from "../../src/market/memory.ts";

const hour = 3_600_000;
const week = 168 * hour;
const fail = (serverId: number, at: number): HostEvent => ({
  serverId,
  at,
  kind: "failure",
  reason: "ssh.reset",
});
const all = (...events: HostEvent[]) => events.reduce<HostMemory>(remember, {});

test("an unknown host is not punished", () => {
  expect(penalty({}, 1, 0)).toEqual({
    failureChance: 0,
    coolingDown: false,
    reason: undefined,
    downMbps: undefined,
  });
});

test("one failure makes the next as likely as not, five nearly sure, and a week halves their weight", () => {
  const once = all(fail(1, 0));
  expect(penalty(once, 1, 0).failureChance).toBe(0.5);
  expect(penalty(once, 1, week).failureChance).toBeCloseTo(0.5 / 1.5);
  expect(
    penalty(all(fail(1, 0), fail(1, 0), fail(1, 0), fail(1, 0), fail(1, 0)), 1, 0).failureChance,
  ).toBeCloseTo(5 / 6);
});

test("after a failure a host is left alone for 12 h, unless it succeeds before", () => {
  const once = all(fail(1, 0));
  expect(penalty(once, 1, 12 * hour - 1)).toMatchObject({ coolingDown: true, reason: "ssh.reset" });
  expect(penalty(once, 1, 12 * hour).coolingDown).toBe(false);
  const mended = remember(once, { serverId: 1, at: hour, kind: "success" });
  expect(penalty(mended, 1, hour)).toMatchObject({ coolingDown: false, reason: undefined });
});

test("a measured speed is trusted for two weeks", () => {
  const memory = all({ serverId: 1, at: 0, kind: "speed", downMbps: 26 });
  expect(penalty(memory, 1, 2 * week - 1).downMbps).toBe(26);
  expect(penalty(memory, 1, 2 * week).downMbps).toBeUndefined();
});

test("what has faded away is dropped, the rest is kept", () => {
  const memory = all(fail(1, 0), fail(2, 8 * week));
  expect(Object.keys(decay(memory, 8 * week))).toEqual(["2"]);
});

test("it survives JSON", () => {
  const memory = all(
    fail(1, 0),
    { serverId: 1, at: 1, kind: "success" },
    { serverId: 2, at: 2, kind: "speed", downMbps: 9 },
  );
  expect(JSON.parse(JSON.stringify(memory))).toEqual(memory);
});

test("a clock that goes back never makes old events heavier", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(4), fc.integer({ min: -5, max: 5 })), { maxLength: 12 }),
      (events) => {
        const memory = all(...events.map(([id, weeks]) => fail(id, weeks * week)));
        for (const id of [0, 1, 2, 3, 4]) {
          const count = events.filter(([eventId]) => eventId === id).length;
          expect(memory[id]?.failures ?? 0).toBeLessThanOrEqual(count);
          expect(penalty(memory, id, 0).failureChance).toBeLessThan(1);
        }
      },
    ),
  );
});

test("decaying in steps is the same as at once", () => {
  const memory = all(fail(1, 0), fail(1, hour), { serverId: 1, at: 2 * hour, kind: "success" });
  const chance = (m: HostMemory) => penalty(m, 1, 2 * week).failureChance;
  expect(chance(decay(decay(memory, 5 * hour), week))).toBeCloseTo(chance(memory), 10);
});
