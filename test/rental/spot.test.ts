import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SpotMarket, SpotOffer } from "../../src/clore/types.ts";
import { silentLog } from "../../src/core/log.ts";
import { pricesInUsd } from "../../src/emulator/market/rows.ts";
import type { Emulator } from "../../src/emulator/server.ts";
import { acquire } from "../../src/rental/acquire.ts";
import type { RentalRecord } from "../../src/rental/record.ts";
import { bidOwn, moveBid, takeBack, winningBid } from "../../src/rental/spot.ts";
import { Renting, startMarket } from "./support.ts";

const rates = { bitcoin: 60_000, "CLORE-Blockchain": 0.001, "USD-Blockchain": 1 };

function spotMarket(offers: Partial<SpotOffer>[], floor = 1): SpotMarket {
  const plain = { offerId: 1, bidPerDay: 1, active: true, mine: false, currency: "USD-Blockchain" };
  return {
    serverId: 1,
    exists: true,
    online: true,
    offers: offers.map((offer) => ({ ...plain, ...offer })),
    minPricePerDay: { "USD-Blockchain": floor },
    usdPerUnit: rates,
  };
}

describe("the lowest bid that wins", () => {
  test.each([
    { name: "nobody else bids: the floor", offers: [], bid: 1 },
    { name: "another bids: just above it", offers: [{ bidPerDay: 2 }], bid: 2.04 },
    { name: "our own bid does not count", offers: [{ bidPerDay: 2, mine: true }], bid: 1 },
    {
      name: "a bid in another currency is compared in worth",
      offers: [{ bidPerDay: 3000, currency: "CLORE-Blockchain" }],
      bid: 3.06,
    },
    {
      name: "a bid in an unknown currency cannot be compared",
      offers: [{ bidPerDay: 9, currency: "XYZ" }],
      bid: 1,
    },
  ])("$name", ({ offers, bid }) => {
    expect(winningBid(spotMarket(offers), "USD-Blockchain")).toBe(bid);
  });

  test("is never below the floor, and above every other bid", () => {
    const bids = fc.array(fc.double({ min: 1e-6, max: 1e6, noNaN: true }), { maxLength: 5 });
    fc.assert(
      fc.property(bids, fc.double({ min: 1e-6, max: 1e4, noNaN: true }), (others, floor) => {
        const bid = winningBid(
          spotMarket(
            others.map((bidPerDay) => ({ bidPerDay })),
            floor,
          ),
          "USD-Blockchain",
        );
        expect(bid).toBeGreaterThanOrEqual(floor);
        for (const other of others) expect(bid).toBeGreaterThan(other);
      }),
    );
  });
});

const unlimited = { bidPerDayUsd: undefined, maxPricePerDayUsd: undefined };

describe("a bid for an order that stands", () => {
  /** An order at 1 USD per day, in bitcoin, and what is bid for it. */
  const rate = rates.bitcoin;
  function bidding(change: { others?: number; rates?: Record<string, number> } = {}) {
    const bids: number[] = [];
    const market = {
      ...spotMarket([{ bidPerDay: (change.others ?? 1.1) / rate, currency: "bitcoin" }], 0),
      usdPerUnit: change.rates ?? rates,
    };
    const io = {
      clore: {
        spotMarket: async () => market,
        setSpotPrice: async (_: number, bid: number) => void bids.push(bid * rate),
      },
      log: silentLog,
      signal: new AbortController().signal,
    };
    return { io, bids };
  }
  const order = (pricePerDayUsd: number) =>
    ({
      orderId: 1,
      serverId: 1,
      currency: "bitcoin",
      market: "spot",
      pricePerDay: 1 / rate,
      pricePerDayUsd,
    }) as RentalRecord & { orderId: number };

  test.each([
    { name: "wins within the cap", limits: { maxPricePerDayUsd: 2 }, bid: 1.122 },
    { name: "is not made above the cap", limits: { maxPricePerDayUsd: 1.1 } },
    { name: "without a cap may be half as much again", limits: {}, others: 1.4, bid: 1.428 },
    { name: "and no more", limits: {}, others: 1.5 },
    { name: "is the user's own where that wins", limits: { bidPerDayUsd: 6 }, bid: 6 },
    { name: "is never above the user's own", limits: { bidPerDayUsd: 1 } },
    {
      name: "goes by the rate that it was rented at where there is none today",
      limits: { maxPricePerDayUsd: 2 },
      rates: {},
      bid: 1.122,
      recorded: 1,
    },
  ])("$name", async ({ limits, bid, recorded, ...market }) => {
    for (const pricePerDayUsd of recorded ? [recorded] : [1, 0]) {
      const { io, bids } = bidding(market);
      const taken = await takeBack(order(pricePerDayUsd), { ...unlimited, ...limits }, io);
      expect(bids).toEqual(bid === undefined ? [] : [expect.closeTo(bid, 4)]);
      if (bid === undefined) expect(taken).toBeUndefined();
      else expect(taken?.pricePerDayUsd).toBeCloseTo(bid, 4);
    }
  });

  test("is not made when its worth in USD is not known", async () => {
    const { io, bids } = bidding({ rates: {} });
    const unknown = { code: "rental.cap-unknown" };
    await expect(takeBack(order(0), { ...unlimited, maxPricePerDayUsd: 2 }, io)).rejects.toMatchObject(
      unknown,
    );
    await expect(bidOwn(order(0), 6, io)).rejects.toMatchObject(unknown);
    expect(bids).toEqual([]);
  });

  test("moves to the user's own, in the order's currency, and stays where the service has rounded it", async () => {
    for (const pricePerDayUsd of [1, 0]) {
      const { io, bids } = bidding();
      expect((await bidOwn(order(pricePerDayUsd), 6, io)).pricePerDayUsd).toBeCloseTo(6);
      expect(bids).toEqual([expect.closeTo(6)]);
    }
    const { io, bids } = bidding();
    expect((await bidOwn(order(1.0000004), 1, io)).pricePerDay).toBe(1 / rate);
    expect(bids).toEqual([]);
  });

  test("is not raised above the spending cap, and may always be lowered", async () => {
    const { io, bids } = bidding();
    const keepCap = async (orderId: number, bidUsd: number) => {
      if (bidUsd > 5) throw new Error(`${orderId} for ${bidUsd.toFixed(2)}`);
    };
    await expect(bidOwn(order(1), 6, { ...io, keepCap })).rejects.toThrow("1 for 6.00");
    await bidOwn(order(9), 8, { ...io, keepCap });
    expect(bids).toHaveLength(1);
  });
});

describe("on the spot market", () => {
  let emulator: Emulator;
  // Others bid on servers whose id ends in 0 or 5: 10 % above the floor.
  const market = [100, 101].map((id, i) => ({ id, price: pricesInUsd(2 + i, 1 + i / 10) }));
  beforeAll(async () => {
    emulator = await startMarket({ market });
  });
  afterAll(() => emulator.close());

  async function rent(renting: Renting, change: Parameters<Renting["want"]>[0] = {}) {
    const choice = await renting.choose({ market: "spot", bidPricePerDay: change.bidPricePerDayUsd });
    return acquire(choice, renting.want(change), renting.io);
  }

  test("bids above others, and records what it bids", async () => {
    await using renting = new Renting(emulator);
    const { record } = await rent(renting);
    expect(record).toMatchObject({ serverId: 100, market: "spot" });
    expect(record.pricePerDayUsd).toBeCloseTo(1.122, 3);
    expect(renting.orders.map((order) => order.pricePerDayUsd)).toEqual([expect.closeTo(1.122, 3)]);
    await renting.giveBack(record);
  });

  test("passes over a server that takes more than the cap, or than the user bids", async () => {
    await using renting = new Renting(emulator);
    const capped = await rent(renting, { maxPricePerDayUsd: 1.11 });
    expect(capped.record.serverId).toBe(101);
    expect(renting.warnings).toEqual([
      expect.stringContaining("1.12 USD/day to win, above the cap of 1.11 USD"),
    ]);
    await renting.giveBack(capped.record);
    const bidding = await rent(renting, { bidPricePerDayUsd: 1.1 });
    expect(bidding.record).toMatchObject({ serverId: 101, pricePerDayUsd: 1.1 });
    await renting.giveBack(bidding.record);
  });

  test("an outbid order is taken back within the cap, and not above it", async () => {
    await using renting = new Renting(emulator);
    const { record } = await rent(renting);
    const live = record as RentalRecord & { orderId: number };
    await emulator.faults.order("outbid", { orderId: live.orderId });
    expect(await takeBack(live, { ...unlimited, maxPricePerDayUsd: 1.2 }, renting.io)).toBeUndefined();
    expect(renting.warnings.at(-1)).toContain("above the cap of 1.20 USD");
    const raised = await takeBack(live, { ...unlimited, maxPricePerDayUsd: 2 }, renting.io);
    expect(raised?.pricePerDayUsd).toBeGreaterThan(record.pricePerDayUsd * 1.1);
    const [order] = await renting.io.clore.myOrders();
    expect(order?.pricePerDay).toBeCloseTo(raised?.pricePerDay ?? 0, 6);
    await renting.giveBack(record);
  });

  test("a bid is lowered in steps, and no more than once in 600 s", async () => {
    await using renting = new Renting(emulator);
    const { record } = await rent(renting, { bidPricePerDayUsd: 2 });
    const live = record as RentalRecord & { orderId: number };
    const lowered = await moveBid(live, record.pricePerDay * 0.5, renting.io);
    // The first step went through, the second came too soon.
    expect(lowered.pricePerDay).toBeCloseTo(record.pricePerDay * 0.9, 6);
    expect(renting.warnings.at(-1)).toContain("the bid stays at 1.80 USD/day until a later up");
    await renting.giveBack(record);
  });
});
