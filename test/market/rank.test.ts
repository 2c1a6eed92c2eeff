import fc from "fast-check";
import { expect, test } from "vitest";
import type { MarketServer } from "../../src/clore/types.ts";
import { remember } from "../../src/market/memory.ts";
import { bootSeconds, explain, type Job, rank } from "../../src/market/rank.ts";
import { select } from "../../src/market/select.ts";
import { anyMarket, anyRequest, context, server, usd } from "./servers.ts";

const offers = (...servers: MarketServer[]) => select(servers, {}, context).offers;
const order = (job: Job, ...servers: MarketServer[]) => rank(offers(...servers), job).map((o) => o.serverId);

test("a slow line costs more than a low price saves", () => {
  const slow = server(1, { prices: usd(4.5), downMbps: 26 });
  const fast = server(2, { prices: usd(5), downMbps: 500 });
  expect(order({ runHours: 2, modelBytes: 17e9 }, slow, fast)).toEqual([2, 1]);
  expect(order({ runHours: 200, modelBytes: 17e9 }, slow, fast)).toEqual([1, 2]);
  // A proxy loads nothing: only the price counts.
  expect(order({ runHours: 2 }, slow, fast)).toEqual([1, 2]);
});

test("time to ready is boot and bytes at the stated speed, or at the measured one when that is slower", () => {
  const job: Job = { runHours: 8, imageBytes: 1e9, modelBytes: 4e9, now: 0 };
  const host = offers(server(1, { downMbps: 100 }));
  expect(rank(host, job)[0]?.secondsToReady).toBe(bootSeconds + 400);
  const slower = remember({}, { serverId: 1, at: 0, kind: "speed", downMbps: 50 });
  expect(rank(host, { ...job, memory: slower })[0]?.secondsToReady).toBe(bootSeconds + 800);
  const faster = remember({}, { serverId: 1, at: 0, kind: "speed", downMbps: 900 });
  expect(rank(host, { ...job, memory: faster })[0]?.secondsToReady).toBe(bootSeconds + 400);
});

test("a host without a stated speed comes last, at a finite cost", () => {
  const ranked = rank(offers(server(1, { downMbps: 0 }), server(2)), { modelBytes: 3.3e9 });
  expect(ranked.map((o) => o.serverId)).toEqual([2, 1]);
  expect(ranked[1]?.costToFinishUsd).toBeLessThan(1000);
});

test("an unreliable host loses to a dearer reliable one", () => {
  const shaky = server(1, { prices: usd(4), reliability: 0.5357 });
  expect(order({ runHours: 8 }, shaky, server(2))).toEqual([2, 1]);
});

test("a host that failed here before loses to a dearer unknown one, until that has faded", () => {
  const memory = remember({}, { serverId: 1, at: 0, kind: "failure", reason: "ssh.reset" });
  const hosts = [server(1, { prices: usd(4.8) }), server(2)];
  expect(order({ memory, now: 0 }, ...hosts)).toEqual([2, 1]);
  expect(order({ memory, now: 365 * 24 * 3_600_000 }, ...hosts)).toEqual([1, 2]);
});

test("the run time can depend on the GPU", () => {
  const slow = server(1, { gpus: ["RTX 3060"], prices: usd(3) });
  const job: Job = { runHours: ({ server: s }) => (s.gpuModel === "RTX 3060" ? 20 : 8) };
  expect(order(job, slow, server(2))).toEqual([2, 1]);
});

test("equal offers come in a fixed order", () => {
  expect(order({}, server(9), server(3), server(7))).toEqual([3, 7, 9]);
});

test("says why", () => {
  const memory = remember({}, { serverId: 2, at: 0, kind: "failure", reason: "ssh.reset" });
  const ranked = rank(offers(server(1), server(2, { downMbps: 26, reliability: 0.9 })), {
    runHours: 8,
    modelBytes: 3.3e9,
    memory,
    now: 0,
  });
  expect(ranked.map((o) => o.why)).toEqual([
    "loads 3.3 GB at 100 Mbps; no loss expected",
    "loads 3.3 GB at 26 Mbps; risk costs 1.28 USD; failed before (ssh.reset)",
  ]);
  expect(explain(ranked[0]!, ranked[1])).toBe(
    "RTX 4090 with 24 GB in US, chosen over server 2 (RTX 4090, 5.00 USD/day): finishes 1.32 USD cheaper, ready 13 min sooner, more reliable (1 against 0.9)",
  );
  expect(explain(ranked[0]!, undefined)).toBe(
    "RTX 4090 with 24 GB in US, the only offer that fits: loads 3.3 GB at 100 Mbps; no loss expected",
  );
});

test("a spot offer says that it is one, and what that means", () => {
  const { offers: bids } = select([server(1)], { market: "spot" }, context);
  expect(explain(rank(bids, {})[0]!, undefined)).toBe(
    "RTX 4090 with 24 GB in US on the spot market (can be outbid), the only offer that fits: no loss expected",
  );
});

test("a ranking is a permutation of the offers, in the order of the cost to finish, whatever their order", () => {
  const job = fc.record({
    runHours: fc.double({ min: 0.1, max: 1000, noNaN: true }),
    imageBytes: fc.integer({ min: 0, max: 1e10 }),
    modelBytes: fc.integer({ min: 0, max: 1e11 }),
  });
  fc.assert(
    fc.property(anyMarket, anyRequest, job, (servers, request, j) => {
      const accepted = select(servers, request, context).offers;
      const ranked = rank(accepted, j);
      const ids = (list: readonly { serverId: number }[]) => list.map((o) => o.serverId);
      expect(ids(ranked).toSorted()).toEqual(ids(accepted).toSorted());
      for (const [i, offer] of ranked.entries()) {
        expect(Number.isFinite(offer.costToFinishUsd)).toBe(true);
        if (i > 0) expect(offer.costToFinishUsd).toBeGreaterThanOrEqual(ranked[i - 1]!.costToFinishUsd);
      }
      expect(ids(rank(accepted.toReversed(), j))).toEqual(ids(ranked));
    }),
  );
});

test("nothing that makes a host worse makes it cheaper to finish on", () => {
  const cost = (change: Partial<MarketServer>) =>
    rank(offers(server(1, change)), { runHours: 8, modelBytes: 8e9 })[0]!.costToFinishUsd;
  const share = fc.double({ min: 0.01, max: 1, noNaN: true });
  fc.assert(
    fc.property(
      share,
      share,
      fc.double({ min: 1, max: 1000, noNaN: true }),
      (reliability, less, downMbps) => {
        const base = cost({ reliability, downMbps });
        expect(cost({ reliability: reliability * less, downMbps })).toBeGreaterThanOrEqual(base);
        expect(cost({ reliability, downMbps: downMbps * less })).toBeGreaterThanOrEqual(base);
        expect(cost({ reliability, downMbps, prices: usd(5 / less) })).toBeGreaterThanOrEqual(base);
      },
    ),
  );
});
