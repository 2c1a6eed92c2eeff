import { CloreError } from "../core/errors.ts";
import { formatUsd } from "../cost/price.ts";
import type { RankedOffer } from "../market/rank.ts";
import type { AcquireIo, AcquireRequest } from "./acquire.ts";
import type { RentalRecord } from "./record.ts";
import { orderSettings } from "./settings.ts";
import { bidFor } from "./spot.ts";
import { UnfinishedRental } from "./unfinished.ts";
import { findFor } from "./whose.ts";

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

/**
 * Makes one order, with an intent before it and its outcome after it.
 * @param before orders that there were before: what appears later is new
 * @param keepCap called right before the intent is written; throws `rental.over-cap`
 * @returns the record of the order that was seen; `refused` where this offer cannot be had and another may
 * @throws UnfinishedRental when an order may be left; what every other offer would meet too
 */
export async function rent(
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
