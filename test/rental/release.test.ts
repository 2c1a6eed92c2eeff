import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Emulator } from "../../src/emulator/server.ts";
import type { RankedOffer } from "../../src/market/rank.ts";
import { findOrder } from "../../src/rental/find.ts";
import { presence } from "../../src/rental/orders.ts";
import type { RentalRecord } from "../../src/rental/record.ts";
import { release } from "../../src/rental/release.ts";
import { fastClock, Renting, startMarket } from "./support.ts";

let market: Emulator;
beforeAll(async () => {
  market = await startMarket({ machines: "none" });
});
afterAll(() => market.close());

/** An order, without waiting for a machine. */
async function ordered(renting: Renting): Promise<RentalRecord & { orderId: number }> {
  const [offer] = (await renting.choose()).ranked as [RankedOffer];
  const intentId = renting.ledger.intend({
    account: "account",
    urn: "urn",
    keyFingerprint: "SHA256:x",
    serverId: offer.serverId,
    image: "image",
    market: offer.market,
    currency: offer.currency,
    pricePerDay: offer.pricePerDay,
  });
  const { io } = renting;
  await io.clore.createOrder({
    serverId: offer.serverId,
    market: offer.market,
    currency: offer.currency,
    image: "image",
    sshPublicKey: renting.keys.publicKey,
    ports: { 22: "tcp" },
  });
  const order = await findOrder(offer.serverId, () => false, { ...io, limitMs: 60_000, accepted: true });
  if (!order) throw new Error("the order did not appear");
  renting.ledger.conclude(intentId, { outcome: "order", orderId: order.orderId });
  return {
    intentId,
    account: "account",
    serverId: offer.serverId,
    orderId: order.orderId,
    certain: true,
    image: "image",
    market: offer.market,
    currency: offer.currency,
    pricePerDay: offer.pricePerDay,
    pricePerDayUsd: offer.pricePerDayUsd,
    createdAt: order.createdAt.toISOString(),
    chosenBecause: "cheapest",
  };
}

function cancels(renting: Renting): number {
  return market.requests.filter(({ path, at }) => path.endsWith("cancel_order") && at >= renting.startedAt)
    .length;
}

describe("an order is given back and confirmed gone", () => {
  test.each([
    { fault: undefined, asked: 1 },
    { fault: "cancel-ignored-once", asked: 2 },
    { fault: "cancel-fails-then-works", asked: 2 },
    { fault: "cancel-500-after-success", asked: 1 },
    { fault: "cut-before", path: "cancel_order", asked: 2 },
  ])("$fault", async ({ fault, path, asked }) => {
    await using renting = new Renting(market);
    const record = await ordered(renting);
    if (fault) await market.faults.order(fault, { path });
    await renting.giveBack(record);
    expect(market.active()).toEqual([]);
    expect(renting.outcomes).toEqual(["101 cancelled"]);
    expect(cancels(renting)).toBe(asked);
  });

  test("when it was gone already", async () => {
    await using renting = new Renting(market);
    const record = await ordered(renting);
    await renting.giveBack(record);
    await renting.giveBack(record);
    expect(renting.outcomes).toEqual(["101 cancelled"]);
  });

  test("when nobody knew whether there was one, and there was none", async () => {
    await using renting = new Renting(market);
    const record = await ordered(renting);
    await renting.giveBack(record);
    await renting.giveBack({ ...record, orderId: undefined, certain: false });
    expect(renting.outcomes).toEqual(["101 absent"]);
  });
});

describe("an empty listing", () => {
  test("is no proof that an order is gone", async () => {
    await using renting = new Renting(market);
    const record = await ordered(renting);
    await market.faults.order("empty-listing", { times: 2 });
    expect(await presence(renting.io.clore, record.orderId)).toMatchObject({ is: "unknown" });
    expect(await presence(renting.io.clore, record.orderId)).toMatchObject({ is: "live" });
    await renting.giveBack(record);
    expect(await presence(renting.io.clore, record.orderId)).toMatchObject({ is: "ended" });
  });

  test("after a cancel that was acknowledged and ignored does not end the giving back", async () => {
    await using renting = new Renting(market);
    const record = await ordered(renting);
    await market.faults.order("cancel-ignored-once");
    await market.faults.order("empty-listing", { times: 99 });
    await renting.giveBack(record);
    expect(market.active()).toEqual([]);
    expect(cancels(renting)).toBe(2);
  });

  test("while no cancel gets through is an error that names order and price", async () => {
    await using renting = new Renting(market);
    const record = await ordered(renting);
    await market.faults.order("cancel-fails-then-works", { times: 999 });
    await market.faults.order("empty-listing", { times: 999 });
    await expect(renting.giveBack(record)).rejects.toMatchObject({
      code: "rental.cancel-unconfirmed",
      message: `order ${record.orderId} (server 101) may still bill 1 USD-Blockchain per day: its end could not be confirmed`,
      hint: expect.stringContaining("pulumi destroy"),
      seen: expect.stringContaining("clore.database-error"),
    });
    expect(renting.outcomes).toEqual(["101 order"]);
    market.faults.clear();
    await renting.giveBack(record);
  });
});

describe("nothing is cancelled", () => {
  test("with another account's key", async () => {
    await using renting = new Renting(market);
    const record = await ordered(renting);
    // It is listed to its own account only.
    const theirs = { ...record, account: "another", orderId: 7 };
    await expect(renting.giveBack(theirs)).rejects.toMatchObject({
      code: "rental.other-account",
      hint: expect.stringContaining("it bills until then"),
    });
    expect(market.active()).toHaveLength(1);
    await renting.giveBack(record);
  });

  test("that may be somebody else's", async () => {
    await using renting = new Renting(market);
    const record = await ordered(renting);
    await expect(renting.giveBack({ ...record, certain: false })).rejects.toMatchObject({
      code: "rental.unproven",
      message: expect.stringContaining(`order ${record.orderId} on server 101`),
    });
    expect(market.active()).toHaveLength(1);
    await renting.giveBack(record);
  });
});

test("a key that was revoked meanwhile is said at once, with the order that goes on billing", async () => {
  await using renting = new Renting(market);
  const record = await ordered(renting);
  const stranger = new Renting(market, "0".repeat(32));
  const started = performance.now();
  await expect(release(record, "destroyed", { ...stranger.io, clock: fastClock })).rejects.toMatchObject({
    code: "rental.cancel-unconfirmed",
    seen: expect.stringContaining("clore.invalid-token"),
  });
  expect(performance.now() - started).toBeLessThan(1400);
  await renting.giveBack(record);
  await stranger[Symbol.asyncDispose]();
});
