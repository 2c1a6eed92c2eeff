import fc from "fast-check";
import { expect, test } from "vitest";
import { SharedOrders } from "../../src/clore/shared-orders.ts";
import type { Order } from "../../src/clore/types.ts";
import { FakeClock } from "./fake-clock.ts";

interface Rig {
  shared: SharedOrders;
  clock: FakeClock;
  requests: { at: number; signal: AbortSignal }[];
}

/** Every listing takes 200 ms and holds one order whose id is its number. */
function rig(fail: (n: number) => boolean = () => false): Rig {
  const clock = new FakeClock(1000);
  const requests: Rig["requests"] = [];
  const shared = new SharedOrders(
    {
      async myOrders(_options, signal) {
        const n = requests.push({ at: clock.now(), signal: signal! });
        await clock.sleep(200, signal);
        if (fail(n)) throw new Error(`listing ${n} failed`);
        return [{ orderId: n } as Order];
      },
    },
    clock,
  );
  return { shared, clock, requests };
}

test("a hundred waiting servers share two requests: the one under way came too early for the rest", async () => {
  const { shared, clock, requests } = rig();
  const reads = Array.from({ length: 100 }, () => shared.read());
  await clock.run();
  const ids = (await Promise.all(reads)).map(({ orders }) => orders[0]!.orderId);
  expect(requests.map(({ at }) => at)).toEqual([1000, 1200]);
  expect(ids).toEqual([1, ...Array(99).fill(2)]);
});

test("a recent listing is good enough where the reader says so", async () => {
  const { shared, clock, requests } = rig();
  const first = shared.read();
  await clock.run();
  await first;
  clock.set(1900);
  const second = await shared.read({ notBefore: 900 });
  expect(second).toEqual({ orders: [{ orderId: 1 }], requestedAtMs: 1000 });
  const third = shared.read({ notBefore: 1000 });
  await clock.run();
  expect((await third).requestedAtMs).toBe(1900);
  expect(requests).toHaveLength(2);
});

test("a clock that is set back does not keep an old listing alive", async () => {
  const { shared, clock, requests } = rig();
  clock.set(600_000);
  const first = shared.read();
  await clock.run();
  await first;
  clock.set(5000);
  const second = shared.read({ notBefore: 4500 });
  await clock.run();
  expect((await second).orders).toEqual([{ orderId: 2 }]);
  expect(requests).toHaveLength(2);
});

test("a failure reaches all who shared the request, and no one else", async () => {
  const { shared, clock } = rig((n) => n === 2);
  const reads = [shared.read(), shared.read(), shared.read()];
  const settled = Promise.allSettled(reads);
  await clock.run();
  expect((await settled).map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected"]);
  const again = shared.read();
  await clock.run();
  expect((await again).orders).toEqual([{ orderId: 3 }]);
});

test("one reader leaves alone; with the last one the request is cancelled, and a newcomer gets a new one", async () => {
  const { shared, clock, requests } = rig();
  const [one, two] = [new AbortController(), new AbortController()];
  const reads = [
    shared.read({ notBefore: 0, signal: one.signal }),
    shared.read({ notBefore: 0, signal: two.signal }),
  ];
  const settled = Promise.allSettled(reads);
  one.abort(new Error("gone"));
  await expect(reads[0]).rejects.toThrow("gone");
  expect(requests[0]!.signal.aborted).toBe(false);
  two.abort(new Error("gone too"));
  await expect(reads[1]).rejects.toThrow("gone too");
  expect(requests[0]!.signal.aborted).toBe(true);
  const third = shared.read({ notBefore: 0 });
  await clock.run();
  expect((await third).orders).toEqual([{ orderId: 2 }]);
  await settled;
});

test("nobody is served a listing from before the time he named, and at most one request is under way", async () => {
  const step = fc.record({
    at: fc.integer({ min: 0, max: 1500 }),
    back: fc.constantFrom(0, 0, 100, 500),
    stay: fc.constantFrom(50, 5000),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 20 }), async (steps) => {
      const { shared, clock, requests } = rig((n) => n % 4 === 0);
      const reads = steps.map(async ({ at, back, stay }) => {
        await clock.sleep(at);
        const notBefore = clock.now() - back;
        const stop = new AbortController();
        void clock.sleep(stay).then(() => stop.abort());
        const listing = await shared.read({ notBefore, signal: stop.signal }).catch(() => undefined);
        if (listing === undefined) return;
        // A request begun by this very read may bear the same millisecond.
        expect(listing.requestedAtMs).toBeGreaterThanOrEqual(notBefore);
        if (listing.requestedAtMs === notBefore) expect(back).toBe(0);
      });
      const settled = Promise.all(reads);
      await clock.run();
      await settled;
      const begun = requests.filter(({ signal }) => !signal.aborted).map(({ at }) => at);
      expect(begun.every((at, index) => index === 0 || at - begun[index - 1]! >= 200)).toBe(true);
    }),
    { numRuns: 100 },
  );
});

test("behind an empty listing the completed orders are asked once for all, where the reader wants it whole", async () => {
  const asked: boolean[] = [];
  const rows = [
    { orderId: 1, expired: true },
    { orderId: 2, expired: false },
  ] as Order[];
  const shared = new SharedOrders({
    async myOrders({ includeCompleted = false } = {}) {
      asked.push(includeCompleted);
      return includeCompleted ? rows : [];
    },
  });
  const [short, ...whole] = await Promise.all([
    shared.read({ notBefore: 0 }),
    shared.read({ notBefore: 0, whole: true }),
    shared.read({ notBefore: 0, whole: true }),
  ]);
  expect(short.orders).toEqual([]);
  expect(whole.map(({ orders }) => orders)).toEqual([[rows[1]], [rows[1]]]);
  expect(asked).toEqual([false, true]);
});
