import { type Coin, usdPerCoin } from "./market/rows.ts";
import { type OrderBook, paidUsd } from "./orders/book.ts";

/** One order in the emulator's own books. */
export interface LedgerOrder {
  orderId: number;
  serverId: number;
  image: string;
  market: "on-demand" | "spot";
  coin: Coin;
  /** In USD per day. */
  pricePerDayUsd: number;
  /** Real time, milliseconds since the epoch. */
  created: number;
  /** Real time; `undefined` while it bills. */
  ended: number | undefined;
  why: string | undefined;
  /** Rent and fees so far, in USD. */
  spentUsd: number;
  /** The machine's folder or container, once it is up; gone when the order has ended. */
  machine: string | undefined;
  /** Why there is no machine. */
  failure: string | undefined;
}

export interface Ledger {
  orders: readonly LedgerOrder[];
  /** What was billed, fees included, in USD, per coin it was paid in. */
  spentUsd: Readonly<Record<Coin, number>>;
}

/** The books as they stand now. */
export function ledgerOf(book: OrderBook): Ledger {
  book.settle();
  const spentUsd: Record<Coin, number> = { bitcoin: 0, "CLORE-Blockchain": 0, "USD-Blockchain": 0 };
  for (const order of book.all) spentUsd[order.coin] += paidUsd(order);
  const orders = book.all.map((order) => ({
    orderId: order.id,
    serverId: order.row.id,
    image: order.image,
    market: order.kind,
    coin: order.coin,
    pricePerDayUsd: order.pricePerDay * usdPerCoin[order.coin],
    created: order.createdOutside * 1000,
    ended: order.endedOutside,
    why: order.endedWhy,
    spentUsd: paidUsd(order),
    machine: order.front.machine?.id,
    failure: order.failure,
  }));
  return { orders, spentUsd };
}
