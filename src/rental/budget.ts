import type { SharedOrders } from "../clore/shared-orders.ts";
import type { CloreApi, Order } from "../clore/types.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { CloreError } from "../core/errors.ts";
import { formatUsd } from "../cost/price.ts";
import { type Ledger, mayBill } from "../ledger/ledger.ts";
import { type Active, type ActiveUsd, activeOrders, activeUsd, type Listing } from "./active.ts";
import type { Claims } from "./claims.ts";
import { ratesFor } from "./rates.ts";

export interface BudgetIo {
  clore: Pick<CloreApi, "myOrders" | "marketplace">;
  orders: SharedOrders;
  ledger: Ledger;
  claims?: Pick<Claims, "rentals" | "bids">;
  account: string;
  /** `clore:maxActivePricePerDay`. */
  maxActivePricePerDayUsd?: number;
  signal: AbortSignal;
  clock?: Clock;
}

/**
 * Reads what bills: a fresh listing, and the completed orders where that one is empty or lacks what should be there.
 * What is given looks at the ledger anew each time, so that it can be asked right before an intent is written.
 * @param earlier orders that this run has seen before
 */
export async function readActive(earlier: readonly Order[], io: BudgetIo): Promise<() => Active> {
  const clock = io.clock ?? systemClock;
  const listing = await io.orders.read({ signal: io.signal });
  let completed: Listing | undefined;
  const look = () =>
    activeOrders({
      listing,
      earlier,
      completed,
      entries: io.ledger.entries(),
      recorded: io.claims?.rentals(),
      bids: io.claims?.bids,
      account: io.account,
      nowMs: clock.now(),
    });
  if (look().inDoubt) {
    const requestedAtMs = clock.now();
    completed = { orders: await io.clore.myOrders({ includeCompleted: true }, io.signal), requestedAtMs };
    closeEnded(completed, io);
  }
  return look;
}

/** What the service names as ended need not be asked for at the next server again. */
export function closeEnded(
  { orders }: Pick<Listing, "orders">,
  { ledger, account }: Pick<BudgetIo, "ledger" | "account">,
): void {
  const ended = new Set(orders.flatMap(({ expired, orderId }) => (expired ? [orderId] : [])));
  for (const entry of ledger.entries()) {
    if (entry.account !== account || !mayBill(entry)) continue;
    if (entry.orderId !== undefined && ended.has(entry.orderId))
      ledger.conclude(entry.intentId, { outcome: "ended" });
  }
}

/**
 * Looks whether a live order may cost so much, and counts it so from now on: of bids that this process raises side by
 * side, a listing shows none yet.
 * @throws CloreError `rental.over-cap`, `rental.cap-unknown`
 */
export async function keepCapForBid(orderId: number, bidUsd: number, io: BudgetIo): Promise<void> {
  const capUsd = io.maxActivePricePerDayUsd;
  if (capUsd === undefined) return;
  const active = await readActive([], io);
  const rate = await ratesFor(active().counted, io);
  const others = active().counted.filter((one) => one.orderId !== orderId);
  refuseOverCap(capUsd, activeUsd(others, rate), bidUsd, "a bid of");
  io.claims?.bids.set(orderId, bidUsd);
}

/** @throws CloreError `rental.over-cap` when one more server, or a higher bid, would cost more than the cap allows */
export function refuseOverCap(
  capUsd: number,
  active: ActiveUsd,
  newUsd: number,
  what = "a server for",
): void {
  if (active.usd + newUsd <= capUsd * 1.000001) return;
  const unlisted =
    active.unlistedUsd === 0
      ? ""
      : `; ${formatUsd(active.unlistedUsd)} of it no listing names, and it may stand all the same`;
  throw new CloreError("rental.over-cap", {
    message: `${what} ${formatUsd(newUsd)} per day would be more than clore:maxActivePricePerDay allows (${formatUsd(capUsd)})`,
    seen: `live and planned orders of this key cost ${formatUsd(active.usd)} per day, in all stacks${unlisted}`,
    hint: `give back what is not needed (\`clore ps\` lists it${unlisted ? "; `clore ledger --open` what is not listed: what was asked for without an answer counts for 10 minutes" : ""}), or raise clore:maxActivePricePerDay; nothing was rented or bid`,
  });
}
