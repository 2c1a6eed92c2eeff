import type { Order } from "../clore/types.ts";
import { CloreError } from "../core/errors.ts";
import { type Entry, mayBill } from "../ledger/ledger.ts";
import type { RentalRecord } from "./record.ts";

/** One answer of `my_orders`. */
export interface Listing {
  orders: readonly Order[];
  /** When it was asked for: of what the ledger learned later it says nothing. */
  requestedAtMs: number;
}

/** All that this process knows of what bills. No part of it is whole. */
export interface Known {
  /** Of live orders, read just now. It can be late, empty or shrunken. */
  listing: Listing;
  /** Orders that another listing of this run named. */
  earlier?: readonly Order[];
  /** With the completed orders, read after `listing`; undefined: not asked. */
  completed?: Listing;
  /** Of this machine's ledger. */
  entries: readonly Entry[];
  /** Rentals that the states of this run name. */
  recorded?: readonly RentalRecord[];
  /** Order → USD per day that was just bid for it. */
  bids?: ReadonlyMap<number, number>;
  account: string;
  nowMs: number;
}

/** What counts as billing. */
export interface Counted {
  orderId: number | undefined;
  serverId: number;
  currency: string;
  pricePerDay: number;
  /** Where it is known better than by today's rates. */
  pricePerDayUsd?: number;
  /** The least that it counts, in USD per day: what was bid for it, and does not show in a listing yet. */
  bidUsd?: number;
  isListed: boolean;
}

export interface Active {
  counted: readonly Counted[];
  /** The listing is empty or lacks what should be there: the completed orders are to be asked too. */
  inDoubt: boolean;
}

/** What was asked for can be on its way so long, in milliseconds. An order takes 20 s to appear. */
const onItsWayMs = 10 * 60_000;
/**
 * An order of which no listing says a word counts so long after it was last known, in milliseconds: its end would be
 * listed. Of older ones the service may keep no record.
 */
export const rememberedMs = 24 * 3_600_000;

/**
 * Which orders of the account count as billing: what a listing names, and what was known to stand and nothing says has
 * ended. Never too few because a listing lacks rows, and nothing for ever because of a line behind which nothing
 * stands. Pure.
 */
export function activeOrders(known: Known): Active {
  const { listing, completed, account, nowMs } = known;
  const entries = known.entries.filter((entry) => entry.account === account);
  const closed = entries.filter((entry) => entry.orderId !== undefined && !mayBill(entry));
  const rows = new Map<number, Order>();
  const ended = new Set<number>();
  for (const { orders, requestedAtMs } of completed ? [listing, completed] : [listing]) {
    for (const order of orders) {
      const hasEndedSince = closed.some(
        (entry) => entry.orderId === order.orderId && entry.changedAt.getTime() >= requestedAtMs,
      );
      if (order.expired || hasEndedSince) ended.add(order.orderId);
      else rows.set(order.orderId, order);
    }
  }
  for (const orderId of ended) rows.delete(orderId);

  const isSilent = listing.orders.length === 0 && completed?.orders.length === 0;
  /** Whether it counts although it is not listed, when it was known to stand at that time. */
  const stands = (knownAtMs: number) =>
    completed === undefined || isSilent || Math.abs(nowMs - knownAtMs) < rememberedMs;
  const counted = new Map<string, Counted>();
  let inDoubt = completed === undefined && listing.orders.length === 0;
  const count = (one: Counted) => {
    const name = one.orderId === undefined ? `server ${one.serverId}` : `order ${one.orderId}`;
    const bidUsd = one.orderId === undefined ? undefined : known.bids?.get(one.orderId);
    if (!counted.has(name)) counted.set(name, { ...one, bidUsd });
  };
  for (const order of rows.values()) count({ ...priced(order), isListed: true });

  const open = entries.filter((entry) => mayBill(entry));
  const missing = (orderId: number) => !rows.has(orderId) && !ended.has(orderId);
  for (const entry of open) {
    if (entry.orderId === undefined || !missing(entry.orderId)) continue;
    const changedAtMs = entry.changedAt.getTime();
    const isNewer = changedAtMs >= listing.requestedAtMs && changedAtMs - nowMs < onItsWayMs;
    if (!isNewer && completed === undefined) inDoubt = true;
    if (isNewer || stands(changedAtMs)) count({ ...priced(entry), isListed: false });
  }
  const elsewhere = [
    ...(known.earlier ?? []).filter((order) => !order.expired).map((order) => ({ order, knownAtMs: nowMs })),
    ...(known.recorded ?? [])
      .filter((record) => record.account === account)
      .map((order) => ({ order, knownAtMs: Number.NEGATIVE_INFINITY })),
  ];
  for (const { order, knownAtMs } of elsewhere) {
    const { orderId } = order;
    if (orderId === undefined || !missing(orderId) || closed.some((one) => one.orderId === orderId)) continue;
    if (completed === undefined) inDoubt = true;
    if (stands(knownAtMs)) count({ ...priced(order), isListed: false });
  }

  // What was asked for and has no number yet. A server carries one order at a time.
  const isTaken = (serverId: number) => [...counted.values()].some((one) => one.serverId === serverId);
  for (const entry of open) {
    if (entry.orderId !== undefined || isTaken(entry.serverId)) continue;
    const changedAtMs = entry.changedAt.getTime();
    const isOnItsWay = Math.abs(nowMs - changedAtMs) < onItsWayMs;
    // The service said yes: there was an order, and its end would be listed.
    const isSure = entry.outcome === "accepted" && !hasEnded(entry, completed);
    if (isSure && !isOnItsWay && completed === undefined) inDoubt = true;
    if (isOnItsWay || (isSure && stands(changedAtMs))) count({ ...priced(entry), isListed: false });
  }
  return { counted: [...counted.values()], inDoubt };
}

/** Whether a listing names an order on the entry's server that was made after it was asked for, and is over. */
function hasEnded(entry: Entry, completed: Listing | undefined): boolean {
  return (completed?.orders ?? []).some(
    (order) =>
      order.expired && order.serverId === entry.serverId && order.createdAt.getTime() > entry.at.getTime(),
  );
}

type Priced = Pick<Order, "serverId" | "currency" | "pricePerDay"> & {
  orderId: number | undefined;
  pricePerDayUsd?: number;
};

function priced({ orderId, serverId, currency, pricePerDay, pricePerDayUsd }: Priced) {
  return { orderId, serverId, currency, pricePerDay, pricePerDayUsd };
}

/** USD per day of what counts, and how much of it no listing names. */
export interface ActiveUsd {
  usd: number;
  unlistedUsd: number;
}

/** @throws CloreError `rental.cap-unknown` when something is paid in a currency without a rate */
export function activeUsd(
  counted: readonly Counted[],
  usdPerUnit: (currency: string) => number | undefined,
): ActiveUsd {
  const sum = { usd: 0, unlistedUsd: 0 };
  for (const one of counted) {
    const usd = Math.max(usdOf(one, usdPerUnit), one.bidUsd ?? 0);
    sum.usd += usd;
    if (!one.isListed) sum.unlistedUsd += usd;
  }
  return sum;
}

function usdOf(one: Counted, usdPerUnit: (currency: string) => number | undefined): number {
  // 0 stands for "not known": nothing is rented for nothing.
  if (one.pricePerDayUsd) return one.pricePerDayUsd;
  const rate = usdPerUnit(one.currency);
  if (rate !== undefined) return one.pricePerDay * rate;
  throw new CloreError("rental.cap-unknown", {
    message: `${one.orderId === undefined ? `what was asked for on server ${one.serverId}` : `order ${one.orderId}`} costs ${one.pricePerDay} ${one.currency} per day, and no server states what that is in USD`,
    hint: "maxActivePricePerDay cannot be kept without it: try again later, or take it out",
    retry: "later",
  });
}
