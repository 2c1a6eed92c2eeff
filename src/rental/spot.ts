import { ExceededMaxStepError } from "../clore/refusals.ts";
import type { CloreApi, SpotMarket } from "../clore/types.ts";
import { CloreError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { formatUsd } from "../cost/price.ts";
import { atPrice, type RentalRecord } from "./record.ts";

export interface SpotIo {
  clore: Pick<CloreApi, "spotMarket" | "setSpotPrice">;
  log: Log;
  signal: AbortSignal;
  /** Asked before a bid is raised; throws when the spending cap forbids it. */
  keepCap?(orderId: number, bidUsd: number): Promise<void>;
}

/** What the user allows, in USD per day. */
export interface BidLimits {
  /** The user's own bid; undefined: the lowest that wins. */
  bidPerDayUsd: number | undefined;
  maxPricePerDayUsd: number | undefined;
}

/** A spot order that stands. */
type Bidding = RentalRecord & { orderId: number };

/** So much above the highest other bid: enough to be above it after rounding, too little to matter. */
const above = 1.02;
/** Without a cap a bid is raised up to so many times what it was. */
const uncappedFactor = 1.5;
/** What the service makes of a bid by rounding it is no other bid. */
const rounding = 0.001;
/** A raise can be refused as too large a step; it is then made in several. */
const mostSteps = 20;

/**
 * The lowest bid that takes a spot server now, in `currency` per day: its floor, and just above every other bid.
 * Other bids may be in other currencies: they are compared by the market's own rates. Pure.
 */
export function winningBid(market: SpotMarket, currency: RentalRecord["currency"]): number {
  const rate = market.usdPerUnit[currency];
  const inCurrency = (bid: number, of: string | undefined) => {
    if (of === undefined || of === currency) return bid;
    const usd = market.usdPerUnit[of];
    return usd === undefined || rate === undefined ? 0 : (bid * usd) / rate;
  };
  const others = market.offers
    .filter((offer) => !offer.mine)
    .map((offer) => inCurrency(offer.bidPerDay, offer.currency) * above);
  // The margin is far wider than the rounding.
  return Math.max(market.minPricePerDay[currency] ?? 0, ...others.map((bid) => Number(bid.toPrecision(6))));
}

/**
 * What to bid for a listed offer: the user's own bid, or the lowest that wins. A string says why it is not worth it.
 * @param offer what would be paid, in `currency` per day and in USD per day
 */
export async function bidFor(
  offer: {
    serverId: number;
    currency: RentalRecord["currency"];
    pricePerDay: number;
    pricePerDayUsd: number;
  },
  limits: BidLimits,
  io: SpotIo,
): Promise<number | string> {
  const market = await io.clore.spotMarket(offer.serverId, io.signal);
  if (!market.exists) return "it is not on the spot market any more";
  const winning = winningBid(market, offer.currency);
  const usd = (bid: number) => (bid / offer.pricePerDay) * offer.pricePerDayUsd;
  if (limits.bidPerDayUsd !== undefined) {
    return winning <= offer.pricePerDay
      ? offer.pricePerDay
      : `others bid ${formatUsd(usd(winning) / above)}/day`;
  }
  const bid = Math.max(winning, offer.pricePerDay);
  if (usd(bid) > (limits.maxPricePerDayUsd ?? Number.POSITIVE_INFINITY)) {
    return `it takes ${formatUsd(usd(bid))}/day to win, above the cap of ${formatUsd(limits.maxPricePerDayUsd ?? 0)}`;
  }
  return bid;
}

/**
 * Bids again for an order that was outbid: the user's own bid, or what wins within the cap (without one: 1.5 times the
 * last bid).
 * @returns the record with the new price, or undefined when it would take more than that
 * @throws CloreError `rental.cap-unknown` when what it would cost in USD cannot be told; what `keepCap` throws
 */
export async function takeBack(
  record: Bidding,
  { bidPerDayUsd, maxPricePerDayUsd }: BidLimits,
  io: SpotIo,
): Promise<RentalRecord | undefined> {
  const market = await io.clore.spotMarket(record.serverId, io.signal);
  const last = atRate(record, market);
  const cap = bidPerDayUsd ?? maxPricePerDayUsd ?? last.pricePerDayUsd * uncappedFactor;
  const winning = atPrice(last, winningBid(market, last.currency));
  const own = bidPerDayUsd === undefined ? last : atUsd(last, bidPerDayUsd);
  const raised = own.pricePerDay > winning.pricePerDay ? own : winning;
  if (raised.pricePerDayUsd > cap * (1 + 1e-9)) {
    io.log.warn(
      `order ${record.orderId} was outbid, and ${formatUsd(raised.pricePerDayUsd)}/day is above the cap of ${formatUsd(cap)}`,
    );
    return undefined;
  }
  io.log.info(`order ${record.orderId} was outbid: bidding ${formatUsd(raised.pricePerDayUsd)}/day`);
  return moveBid(last, raised.pricePerDay, io);
}

/**
 * Moves the bid of a live order to the user's own.
 * @throws CloreError `rental.cap-unknown` when what that is in the order's currency cannot be told; what `keepCap` throws
 */
export async function bidOwn(record: Bidding, bidPerDayUsd: number, io: SpotIo): Promise<RentalRecord> {
  const last =
    record.pricePerDayUsd > 0
      ? record
      : atRate(record, await io.clore.spotMarket(record.serverId, io.signal));
  const isBid = Math.abs(last.pricePerDayUsd - bidPerDayUsd) <= rounding * bidPerDayUsd;
  return isBid ? last : moveBid(last, atUsd(last, bidPerDayUsd).pricePerDay, io);
}

/** At today's rate; without one, at the rate that it was rented at. */
function atRate(record: Bidding, market: SpotMarket): Bidding {
  const rate = record.currency === "USD-Blockchain" ? 1 : market.usdPerUnit[record.currency];
  if (rate !== undefined && rate > 0) return { ...record, pricePerDayUsd: record.pricePerDay * rate };
  if (record.pricePerDayUsd > 0) return record;
  throw new CloreError("rental.cap-unknown", {
    message: `order ${record.orderId} is paid in ${record.currency}, and what that is in USD is not known: no bid was made`,
    hint: "run the same command again later",
    retry: "later",
  });
}

function atUsd(record: Bidding, pricePerDayUsd: number): Bidding {
  return {
    ...record,
    pricePerDayUsd,
    pricePerDay: (pricePerDayUsd / record.pricePerDayUsd) * record.pricePerDay,
  };
}

/**
 * Changes the bid of a live order. Raising goes in steps where the service wants that; lowering is allowed once per
 * 600 s and by a limited step: what it refuses now is said and left for a later `up`.
 */
export async function moveBid(record: Bidding, target: number, io: SpotIo): Promise<RentalRecord> {
  if (target > record.pricePerDay) await io.keepCap?.(record.orderId, atPrice(record, target).pricePerDayUsd);
  let bid = record.pricePerDay;
  let step = Number.POSITIVE_INFINITY;
  for (let steps = 0; steps < mostSteps && bid !== target; steps++) {
    const next = Math.abs(target - bid) <= step ? target : bid + Math.sign(target - bid) * step;
    try {
      await io.clore.setSpotPrice(record.orderId, next, io.signal);
      bid = next;
    } catch (error) {
      if (
        error instanceof ExceededMaxStepError &&
        error.maxStepPerDay !== undefined &&
        error.maxStepPerDay < step
      ) {
        step = error.maxStepPerDay;
      } else if (error instanceof CloreError && error.code === "clore.can-lower-every-600-seconds") {
        io.log.warn(
          `${error.message}; the bid stays at ${formatUsd(atPrice(record, bid).pricePerDayUsd)}/day until a later up`,
        );
        break;
      } else {
        throw error;
      }
    }
  }
  return atPrice(record, bid);
}
