import { type Coin, usdPerCoin } from "../market/rows.ts";
import type { Placed } from "./placed.ts";

const minute = 60_000;

/** The renter's share on top of the rent. */
export const feeShare = { "on-demand": 0.05, spot: 0.0125 } as const;

/** Charged once, after an order's first ten minutes. Observed: 0.1 on a USD order; the others are set to the same worth. */
export const creationFee: Readonly<Record<Coin, number>> = {
  "USD-Blockchain": 0.1,
  bitcoin: 0.1 / usdPerCoin.bitcoin,
  "CLORE-Blockchain": 0.1 / usdPerCoin["CLORE-Blockchain"],
};

/**
 * Adds the rent since the last look: price ÷ 1440 for every minute begun (observed: a 2 USD/day order that had just
 * begun showed 2/1440), then the creation fee once ten minutes are over. Gives what was added, fees included.
 */
export function accrue(order: Placed, now: number): number {
  const until = order.endedAt ?? now;
  const minutes = Math.floor((until - order.createdAt) / minute) + 1;
  const rent = (Math.max(0, minutes - order.minutesPaid) * order.pricePerDay) / 1440;
  order.minutesPaid = Math.max(order.minutesPaid, minutes);
  let due = rent * (1 + feeShare[order.kind]);
  if (!order.creationFeePaid && until - order.createdAt >= 10 * minute) {
    order.creationFeePaid = true;
    due += creationFee[order.coin];
  }
  order.rent += rent;
  order.paid += due;
  return due;
}
