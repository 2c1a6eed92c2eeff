import type { Order } from "../clore/types.ts";
import { CloreError } from "../core/errors.ts";
import { formatUsd } from "../cost/price.ts";
import { type Entry, mayBill } from "../ledger/ledger.ts";

/** What bills, and what one more server may cost on top of it. */
export interface Spending {
  /** USD per day, fees not counted. */
  capUsd: number;
  orders: readonly Order[];
  /** When they were asked for: of what the ledger learned later they say nothing. @default it is up to date */
  listedAtMs?: number;
  /** Of the ledger: orders that are being made do not show in a listing yet. */
  entries: readonly Entry[];
  account: string;
  usdPerUnit(currency: string): number | undefined;
}

/**
 * What all live orders of the key cost together, whichever stack they belong to, in USD per day.
 * @throws CloreError `rental.cap-unknown` when an order's currency has no rate
 */
export function activePricePerDayUsd({
  orders,
  listedAtMs = Number.POSITIVE_INFINITY,
  entries,
  account,
  usdPerUnit,
}: Omit<Spending, "capUsd">): number {
  const live = orders.filter((order) => !order.expired);
  let sum = 0;
  for (const order of live) {
    const rate = usdPerUnit(order.currency);
    if (rate === undefined) {
      throw new CloreError("rental.cap-unknown", {
        message: `order ${order.orderId} costs ${order.pricePerDay} ${order.currency} per day, and no server states what that is in USD`,
        hint: "maxActivePricePerDay cannot be kept without it: try again later, or take it out",
        retry: "later",
      });
    }
    sum += order.pricePerDay * rate;
  }
  for (const entry of entries) {
    if (!mayBill(entry) || entry.account !== account) continue;
    const listed = live.some((order) =>
      entry.orderId === undefined ? order.serverId === entry.serverId : order.orderId === entry.orderId,
    );
    if (listed) continue;
    // A newer listing that is not empty and names it no more: it has ended. What was never seen may still appear.
    const hasEnded = entry.orderId !== undefined && live.length > 0 && entry.changedAt.getTime() < listedAtMs;
    if (!hasEnded) {
      sum += entry.pricePerDayUsd ?? entry.pricePerDay * (usdPerUnit(entry.currency) ?? 0);
    }
  }
  return sum;
}

/** @throws CloreError `rental.over-cap` when one more server would cost more than the cap allows */
export function refuseOverCap(capUsd: number, activeUsd: number, newUsd: number): void {
  if (activeUsd + newUsd <= capUsd * 1.000001) return;
  throw new CloreError("rental.over-cap", {
    message: `a server for ${formatUsd(newUsd)} per day would be more than clore:maxActivePricePerDay allows (${formatUsd(capUsd)})`,
    seen: `live and planned orders of this key cost ${formatUsd(activeUsd)} per day, in all stacks`,
    hint: "give back what is not needed (`clore ps` lists it), or raise clore:maxActivePricePerDay; nothing was rented",
  });
}
