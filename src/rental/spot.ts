import { ExceededMaxStepError } from "../clore/refusals.ts";
import type { CloreApi, SpotMarket } from "../clore/types.ts";
import { CloreError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { formatUsd } from "../cost/price.ts";
import type { RentalRecord } from "./record.ts";

export interface SpotIo {
  clore: Pick<CloreApi, "spotMarket" | "setSpotPrice">;
  log: Log;
  signal: AbortSignal;
}

/** So much above the highest other bid: enough to be above it after rounding, too little to matter. */
const above = 1.02;
/** Without a cap a bid is raised up to so many times what it was. */
const uncappedFactor = 1.5;
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
  limits: { bidPerDayUsd: number | undefined; maxPricePerDayUsd: number | undefined },
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
 * Bids again for an order that was outbid, within the cap (without one: 1.5 times the last bid).
 * @returns the record with the new price, or undefined when it would cost more than that
 */
export async function takeBack(
  record: RentalRecord & { orderId: number },
  maxPricePerDayUsd: number | undefined,
  io: SpotIo,
): Promise<RentalRecord | undefined> {
  const bid = winningBid(await io.clore.spotMarket(record.serverId, io.signal), record.currency);
  const cap = maxPricePerDayUsd ?? record.pricePerDayUsd * uncappedFactor;
  const raised = at(record, Math.max(bid, record.pricePerDay));
  if (raised.pricePerDayUsd > cap) {
    io.log.warn(
      `order ${record.orderId} was outbid, and ${formatUsd(raised.pricePerDayUsd)}/day is above the cap of ${formatUsd(cap)}`,
    );
    return undefined;
  }
  io.log.info(`order ${record.orderId} was outbid: bidding ${formatUsd(raised.pricePerDayUsd)}/day`);
  return moveBid(record, raised.pricePerDay, io);
}

/**
 * Changes the bid of a live order. Raising goes in steps where the service wants that; lowering is allowed once per
 * 600 s and by a limited step: what it refuses now is said and left for a later `up`.
 */
export async function moveBid(
  record: RentalRecord & { orderId: number },
  target: number,
  io: SpotIo,
): Promise<RentalRecord> {
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
          `${error.message}; the bid stays at ${formatUsd(at(record, bid).pricePerDayUsd)}/day until a later up`,
        );
        break;
      } else {
        throw error;
      }
    }
  }
  return at(record, bid);
}

function at(record: RentalRecord, pricePerDay: number): RentalRecord {
  return {
    ...record,
    pricePerDay,
    pricePerDayUsd: (pricePerDay / record.pricePerDay) * record.pricePerDayUsd,
  };
}
