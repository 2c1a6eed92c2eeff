import type { CloreApi, CreateOrderRequest } from "../clore/types.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import { type Ledger, mayBill } from "../ledger/ledger.ts";
import type { RankedOffer } from "../market/rank.ts";
import { activeUsd } from "./active.ts";
import { type Attempt, costOf, noHost, sumOf } from "./attempts.ts";
import type { BringUpIo, LiveServer, Wanted } from "./bring-up.ts";
import { readActive, refuseOverCap } from "./budget.ts";
import type { Choice } from "./choose.ts";
import type { Claims } from "./claims.ts";
import type { HostBook } from "./host-book.ts";
import { rent } from "./rent.ts";
import { tryHost } from "./try-host.ts";

export interface AcquireIo extends BringUpIo {
  clore: CloreApi;
  ledger: Ledger;
  account: string;
  log: Log;
  signal: AbortSignal;
  hosts: HostBook;
  /** Servers that this process is about to rent. */
  reserved: Set<number>;
  /** What the states of this run name. */
  claims?: Claims;
  /** The most that all live orders of the key may cost together, in USD per day. */
  maxActivePricePerDayUsd?: number;
  clock?: Clock;
}

export interface AcquireRequest extends Wanted {
  keyFingerprint: string;
  publicKey: string;
  image: string;
  autosshEntrypoint: boolean;
  env?: CreateOrderRequest["env"];
  command?: string;
  ports: CreateOrderRequest["ports"];
  /** The user's own bid on the spot market, in USD per day; undefined: the lowest that wins. */
  bidPricePerDayUsd?: number;
  /** The most to spend on it, in minutes. */
  acquireMinutes: number;
  /** The most to spend on hosts that turn out bad, in USD; undefined: no limit but that of time. */
  acquireCostUsd?: number;
}

/** So many hosts are tried at the most, within the limit of time. */
const mostHosts = 25;

/**
 * Rents the first of the ranked offers that becomes a working server. Hosts that are late, wrong or unreachable are
 * given back, confirmed gone, remembered, and the next is tried.
 * @throws UnfinishedRental when an order may be left; CloreError `rental.no-host` with all attempts, when none worked
 */
export async function acquire(choice: Choice, want: AcquireRequest, io: AcquireIo): Promise<LiveServer> {
  const clock = io.clock ?? systemClock;
  const start = clock.now();
  const before = new Set(choice.orders.map((order) => order.orderId));
  const attempts: Attempt[] = [];
  for (const offer of choice.ranked) {
    if (attempts.length >= mostHosts || clock.now() - start > want.acquireMinutes * 60_000) break;
    if (sumOf(attempts) >= (want.acquireCostUsd ?? Number.POSITIVE_INFINITY)) break;
    if (io.reserved.has(offer.serverId) || isOurs(offer.serverId, io)) continue;
    const began = clock.now();
    const failed = (reason: string, wasRented: boolean) => {
      const seconds = (clock.now() - began) / 1000;
      attempts.push({
        serverId: offer.serverId,
        failed: reason,
        seconds: Math.round(seconds),
        costUsd: wasRented ? costOf(offer, seconds) : 0,
      });
      io.log.warn(`server ${offer.serverId}: ${reason}; trying the next offer`);
    };
    io.reserved.add(offer.serverId);
    try {
      const keepCap = await capOf(choice, io);
      const record = await rent(offer, choice.because(offer), before, want, io, keepCap);
      if ("refused" in record) {
        failed(record.refused, false);
        continue;
      }
      const outcome = await tryHost(record, want, io);
      if ("live" in outcome) return outcome.live;
      failed(outcome.failed, true);
    } finally {
      io.reserved.delete(offer.serverId);
    }
  }
  throw noHost(attempts, (clock.now() - start) / 1000);
}

/**
 * The market was read before other servers of the program were rented; asking again would cost five seconds each. And
 * where an order of ours may stand, no second one is made: nobody could tell them apart.
 */
function isOurs(serverId: number, { ledger, account }: AcquireIo): boolean {
  return ledger
    .entries()
    .some(
      (one) =>
        one.serverId === serverId &&
        one.account === account &&
        mayBill(one) &&
        !(one.kept && one.orderId !== undefined),
    );
}

/**
 * The check of the spending cap. It is to be called right before the intent is written: what others of this process
 * are about to rent stands in the ledger by then.
 */
async function capOf(choice: Choice, io: AcquireIo): Promise<(offer: RankedOffer) => void> {
  const capUsd = io.maxActivePricePerDayUsd;
  if (capUsd === undefined) return () => {};
  const active = await readActive(choice.orders, io);
  return (offer) => {
    refuseOverCap(capUsd, activeUsd(active().counted, choice.usdPerUnit), offer.pricePerDayUsd);
  };
}
