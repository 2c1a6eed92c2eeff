import type { Currency, MarketKind } from "../clore/types.ts";

/**
 * What must be known to find, judge and give back one rented server. It is kept in the stack's state from the
 * moment that an order may exist.
 */
export interface RentalRecord {
  /** The ledger's intent behind it. */
  intentId: string;
  /** Which account pays: see ledger/account.ts. */
  account: string;
  serverId: number;
  /** `undefined`: the service was asked, and nobody knows yet whether the order exists. */
  orderId: number | undefined;
  /**
   * Whether the order is surely ours: it was seen right after the service had said yes to our create, or our key opened
   * it. One that was only found on the same server may be somebody else's of the same account. Without an `orderId`:
   * whether the service said yes, so that an order was surely made.
   */
  certain: boolean;
  image: string;
  /** Of an order that a run has left: how it was made, see settings.ts. `undefined`: not known. */
  settings?: string;
  market: MarketKind;
  currency: Currency;
  /** In `currency`, per day, as listed; the order's own once it was seen. */
  pricePerDay: number;
  /** The same in USD per day, at the rates of the listing; 0: no rate was known, so no cap in USD can be kept. */
  pricePerDayUsd: number;
  /** ISO time of the order, by the service's clock; `undefined` until it was seen. */
  createdAt: string | undefined;
  /** Why this offer and not another. */
  chosenBecause: string;
}

/** The record at another price in its currency; the rate stays. */
export function atPrice<T extends Pick<RentalRecord, "pricePerDay" | "pricePerDayUsd">>(
  record: T,
  pricePerDay: number,
): T {
  if (record.pricePerDay === pricePerDay) return record;
  return {
    ...record,
    pricePerDay,
    pricePerDayUsd: (pricePerDay / record.pricePerDay) * record.pricePerDayUsd,
  };
}
