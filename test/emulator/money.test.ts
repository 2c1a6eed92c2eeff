import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { pricesInUsd } from "../../src/emulator/market/rows.ts";
import { type Renter, type StandingClock, standing } from "./support.ts";

let renter: Renter;
let clock: StandingClock;

beforeEach(async () => {
  ({ renter, clock } = await standing({
    market: [{ id: 100, price: pricesInUsd(2, 1) }],
    wallets: { "USD-Blockchain": 10 },
  }));
  await renter.rent(100);
  renter.pace = () => {};
});
afterEach(() => renter.emulator.close());

const spend = async () => (await renter.orders())[0]?.spend;
const balance = async () =>
  (await renter.get("/wallets")).body.wallets.find((one: { name: string }) => one.name === "USD-Blockchain")
    .balance;

describe("rent of 2 USD a day", () => {
  test("starts with one minute: 2/1440, as captured", async () => {
    clock.advance(5);
    expect(await spend()).toBe(2 / 1440);
  });

  test("grows by the minute, not by the second", async () => {
    clock.advance(59);
    expect(await spend()).toBeCloseTo(2 / 1440, 12);
    clock.advance(2);
    expect(await spend()).toBeCloseTo(4 / 1440, 12);
    clock.advance(58 * 60);
    expect(await spend()).toBeCloseTo((60 * 2) / 1440, 12);
  });

  test("is taken from the wallet with 5 % on top", async () => {
    clock.advance(3 * 60 + 1);
    expect(10 - (await balance())).toBeCloseTo(((4 * 2) / 1440) * 1.05, 12);
  });

  test("brings the creation fee after ten minutes, once", async () => {
    clock.advance(599);
    expect(10 - (await balance())).toBeCloseTo(((10 * 2) / 1440) * 1.05, 12);
    clock.advance(2);
    expect(10 - (await balance())).toBeCloseTo(((11 * 2) / 1440) * 1.05 + 0.1, 12);
    clock.advance(600);
    expect(10 - (await balance())).toBeCloseTo(((21 * 2) / 1440) * 1.05 + 0.1, 12);
  });

  test("stops with the cancel, which costs no fee before ten minutes", async () => {
    clock.advance(300);
    const [{ id }] = await renter.orders();
    clock.advance(1);
    await renter.post("/cancel_order", { id });
    clock.advance(86_400);
    const ledger = renter.emulator.ledger();
    expect(ledger.orders).toMatchObject([{ orderId: id, why: "cancelled", pricePerDayUsd: 2 }]);
    expect(ledger.spentUsd["USD-Blockchain"]).toBeCloseTo(((6 * 2) / 1440) * 1.05, 12);
    expect(renter.emulator.active()).toEqual([]);
  });

  test("ends when the wallet is empty", async () => {
    clock.advance(6 * 86_400);
    expect(await renter.orders()).toEqual([]);
    expect(renter.emulator.ledger().orders).toMatchObject([{ why: "no money" }]);
  });
});
