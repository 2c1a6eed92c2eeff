import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SpotMarket, SpotOffer } from "../../src/clore/types.ts";
import { pricesInUsd } from "../../src/emulator/market/rows.ts";
import type { Emulator } from "../../src/emulator/server.ts";
import { acquire } from "../../src/rental/acquire.ts";
import type { RentalRecord } from "../../src/rental/record.ts";
import { moveBid, takeBack, winningBid } from "../../src/rental/spot.ts";
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
    expect(await takeBack(live, 1.2, renting.io)).toBeUndefined();
    expect(renting.warnings.at(-1)).toContain("above the cap of 1.20 USD");
    const raised = await takeBack(live, 2, renting.io);
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
