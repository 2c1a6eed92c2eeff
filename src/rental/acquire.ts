import type { CloreApi, CreateOrderRequest } from "../clore/types.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { CloreError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { creationFeeAfterMinutes, feesFor } from "../cost/fees.ts";
import { formatUsd } from "../cost/price.ts";
import { type Ledger, mayBill } from "../ledger/ledger.ts";
import type { RankedOffer } from "../market/rank.ts";
import { activeUsd } from "./active.ts";
import { type BringUpIo, bringUp, type LiveServer, type Wanted } from "./bring-up.ts";
import { readActive, refuseOverCap } from "./budget.ts";
import type { Choice } from "./choose.ts";
import type { Claims } from "./claims.ts";
import type { HostBook } from "./host-book.ts";
import type { RentalRecord } from "./record.ts";
import { release } from "./release.ts";
import { orderSettings } from "./settings.ts";
import { bidFor } from "./spot.ts";
import { findFor } from "./whose.ts";

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
/** An order can take 20 s to appear. */
const appearPolls = 60;
/** What the service answers when this one offer cannot be had, and another may. */
const thisOfferOnly = new Set([
  "clore.server-already-rented",
  "clore.currency-not-allowed",
  "clore.server-offline",
  "clore.server-dont-exist",
  "clore.too-low-price",
  "clore.machine-is-on-gigaspot",
  "clore.cant-rent-from-yourself",
  "clore.you-already-have-spot-order",
]);

/** An order may exist and is not ready: the record must be kept. */
export class UnfinishedRental extends CloreError {
  readonly record: RentalRecord;

  constructor(record: RentalRecord, cause: unknown, hint?: string) {
    const inner = cause instanceof CloreError ? cause : undefined;
    super(inner?.code ?? "rental.unfinished", {
      message: `${record.orderId === undefined ? `an order on server ${record.serverId} may exist` : `order ${record.orderId} on server ${record.serverId} exists`} and is not ready: ${cause instanceof Error ? cause.message : String(cause)}`,
      seen: inner?.seen,
      hint:
        hint ??
        `run the same command again to go on with it, or \`pulumi destroy\` to give it back; it bills ${formatUsd(record.pricePerDayUsd)} per day until then`,
      retry: "look-first",
      cause,
    });
    this.record = record;
  }
}

interface Attempt {
  serverId: number;
  failed: string;
  seconds: number;
  /** What it has cost, in USD: rent and fees. */
  costUsd: number;
}

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

/** Brings an order up; a host that is at fault is given back and remembered. */
export async function tryHost(
  record: RentalRecord,
  want: Wanted,
  io: AcquireIo,
): Promise<{ live: LiveServer } | { failed: string }> {
  let isFault = isHostFault;
  try {
    const wasCertain = record.certain;
    const live = await bringUp(record, want, io);
    isFault = hasFailedTrial;
    await want.trial?.(live);
    if (!wasCertain && record.orderId !== undefined) {
      io.ledger.conclude(record.intentId, { outcome: "order", orderId: record.orderId, certain: true });
    }
    io.hosts.succeeded(record.serverId);
    return { live };
  } catch (error) {
    if (error instanceof CloreError && error.code === "rental.not-ours") {
      io.ledger.conclude(record.intentId, { outcome: "absent" });
      return { failed: error.message };
    }
    if (io.signal.aborted || !isFault(error)) throw new UnfinishedRental(record, error);
    if (want.kept !== undefined && !endsKept.has(error.code))
      throw new UnfinishedRental(record, error, want.kept);
    const reason = `${error.code}: ${error.message}${error.seen ? ` (${error.seen})` : ""}`;
    io.hosts.failed(record.serverId, reason);
    try {
      await release(record, error.code, io);
    } catch (unreleased) {
      throw new UnfinishedRental(record, unreleased);
    }
    return { failed: reason };
  }
}

/** What ends an order that is otherwise kept: it is over already, or it failed a trial that was asked for. */
const endsKept = new Set(["rental.vanished", "host.too-weak"]);

/** Of what goes wrong in a trial, much is the program's own: a crashing service would crash on 25 hosts. */
function hasFailedTrial(error: unknown): error is CloreError {
  return error instanceof CloreError && /^(ssh\.|host\.(too-weak|disk-full))/.test(error.code);
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

/** The host's fault, and no other host would share it. */
function isHostFault(error: unknown): error is CloreError {
  return error instanceof CloreError && /^(ssh|host|rental\.(boot|vanished|dearer))/.test(error.code);
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

/** Rent by the minute with the share that comes on top, and the creation fee where it was charged. */
function costOf(offer: RankedOffer, seconds: number): number {
  const { share, creationUsd } = feesFor(offer.market, offer.currency, undefined, undefined);
  const rent = (offer.pricePerDayUsd * Math.ceil(seconds / 60)) / 1440;
  return rent * (1 + share) + (seconds > creationFeeAfterMinutes * 60 ? creationUsd : 0);
}

function sumOf(attempts: readonly Attempt[]): number {
  return attempts.reduce((sum, attempt) => sum + attempt.costUsd, 0);
}

async function rent(
  listed: RankedOffer,
  because: string,
  before: ReadonlySet<number>,
  want: AcquireRequest,
  io: AcquireIo,
  keepCap: (offer: RankedOffer) => void,
): Promise<RentalRecord | { refused: string }> {
  const offer = await withBid(listed, want, io);
  if (typeof offer === "string") return { refused: offer };
  const intent = {
    account: io.account,
    urn: want.urn,
    keyFingerprint: want.keyFingerprint,
    serverId: offer.serverId,
    image: want.image,
    settings: orderSettings(want),
    market: offer.market,
    currency: offer.currency,
    pricePerDay: offer.pricePerDay,
    pricePerDayUsd: offer.pricePerDayUsd,
  };
  io.signal.throwIfAborted();
  io.log.status(`renting #${offer.serverId} at ${formatUsd(offer.pricePerDayUsd)}/day`);
  keepCap(offer);
  const intentId = io.ledger.intend(intent);
  const record: RentalRecord = {
    intentId,
    account: io.account,
    serverId: offer.serverId,
    orderId: undefined,
    certain: false,
    image: want.image,
    market: offer.market,
    currency: offer.currency,
    pricePerDay: offer.pricePerDay,
    pricePerDayUsd: offer.pricePerDayUsd,
    createdAt: undefined,
    chosenBecause: because,
  };
  try {
    await io.clore.createOrder(
      {
        serverId: offer.serverId,
        market: offer.market,
        bidPerDay: offer.market === "spot" ? offer.pricePerDay : undefined,
        currency: offer.currency,
        image: want.image,
        ports: want.ports,
        sshPublicKey: want.publicKey,
        autosshEntrypoint: want.autosshEntrypoint || undefined,
        env: want.env,
        command: want.command,
        requiredPricePerDay: offer.market === "on-demand" ? offer.pricePerDay : undefined,
      },
      io.signal,
    );
    record.certain = true;
  } catch (error) {
    if (!(error instanceof CloreError) || error.retry !== "look-first") {
      // Refused, or never sent: nothing was made.
      io.ledger.conclude(intentId, {
        outcome: "refused",
        reason: error instanceof CloreError ? error.code : String(error),
      });
      if (error instanceof CloreError && thisOfferOnly.has(error.code))
        return { refused: `${error.code}: ${error.message}` };
      throw error;
    }
    // The answer was lost or said nothing: the order may stand all the same.
    if (io.signal.aborted) throw new UnfinishedRental(record, error);
    io.log.warn(`server ${offer.serverId}: ${error.code}, looking whether the order exists all the same`);
  }
  try {
    if (record.certain) io.ledger.conclude(intentId, { outcome: "accepted" });
  } catch (error) {
    throw new UnfinishedRental(record, error);
  }
  return located(record, before, io);
}

/** On the spot market what is paid is what is bid; other bids may stand above the listed price. */
async function withBid(
  offer: RankedOffer,
  want: AcquireRequest,
  io: AcquireIo,
): Promise<RankedOffer | string> {
  if (offer.market !== "spot") return offer;
  const limits = { bidPerDayUsd: want.bidPricePerDayUsd, maxPricePerDayUsd: want.maxPricePerDayUsd };
  const bid = await bidFor(offer, limits, io);
  if (typeof bid === "string") return bid;
  return { ...offer, pricePerDay: bid, pricePerDayUsd: (bid / offer.pricePerDay) * offer.pricePerDayUsd };
}

/** Finds the order that a create has made, or has perhaps made. */
async function located(
  record: RentalRecord,
  before: ReadonlySet<number>,
  io: AcquireIo,
): Promise<RentalRecord | { refused: string }> {
  io.log.status(`looking for the order on #${record.serverId}`);
  const limitMs = appearPolls * (io.pollMs ?? 1000);
  let order: Awaited<ReturnType<typeof findFor>>;
  try {
    order = await findFor(record, { ...io, limitMs }, before);
  } catch (error) {
    throw new UnfinishedRental(record, error);
  }
  if (!order) {
    if (record.certain) {
      throw new UnfinishedRental(
        record,
        new CloreError("rental.order-unseen", {
          message: `the service accepted the order and does not list it after ${limitMs / 1000} s`,
          retry: "look-first",
        }),
      );
    }
    io.ledger.conclude(record.intentId, { outcome: "absent" });
    return { refused: "the answer to the order was unclear, and it did not appear" };
  }
  const { orderId, createdAt } = order;
  const seen = { ...record, orderId, createdAt: createdAt.toISOString() };
  try {
    io.ledger.conclude(record.intentId, { outcome: "order", orderId, certain: record.certain });
  } catch (error) {
    throw new UnfinishedRental(seen, error);
  }
  io.log.info(
    `rented #${record.serverId} as order ${orderId} at ${formatUsd(record.pricePerDayUsd)}/day; ${record.chosenBecause}`,
  );
  return seen;
}

function noHost(attempts: readonly Attempt[], seconds: number): CloreError {
  const table = attempts.map(
    (a) =>
      `  #${String(a.serverId).padEnd(8)} ${`${a.seconds} s`.padStart(6)} ${formatUsd(a.costUsd).padStart(10)}  ${a.failed}`,
  );
  return new CloreError("rental.no-host", {
    message: `no host became a working server: ${attempts.length} tried in ${Math.round(seconds)} s for about ${formatUsd(sumOf(attempts))}, all given back`,
    seen: `\n${table.join("\n")}`,
    hint: "widen the limits (countries, price, reliability), raise acquireMinutes or maxAcquireCostUsd, or try again later",
    retry: "later",
  });
}
