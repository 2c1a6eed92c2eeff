import type { Order } from "../clore/types.ts";

/**
 * How old an order is, in milliseconds. The service counts too, by what it has billed: where that says less, this
 * machine's clock may be fast, and the lesser age counts.
 */
export function ageMs(
  order: Pick<Order, "createdAt" | "spent" | "pricePerDay" | "market">,
  now: number,
): number {
  const byClock = Math.max(0, now - order.createdAt.getTime());
  // A spot price can be changed while it runs, and then what was billed does not tell the time.
  if (order.market === "spot" || order.spent <= 0 || order.pricePerDay <= 0) return byClock;
  const billedMs = (order.spent / order.pricePerDay) * 86_400_000;
  return Math.min(byClock, billedMs * 1.05 + 5 * 60_000);
}
