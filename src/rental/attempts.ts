import { CloreError } from "../core/errors.ts";
import { creationFeeAfterMinutes, feesFor } from "../cost/fees.ts";
import { formatUsd } from "../cost/price.ts";
import type { RankedOffer } from "../market/rank.ts";

/** An offer that did not become a working server. */
export interface Attempt {
  serverId: number;
  failed: string;
  seconds: number;
  /** What it has cost, in USD: rent and fees. */
  costUsd: number;
}

/** Rent by the minute with the share that comes on top, and the creation fee where it was charged. */
export function costOf(offer: RankedOffer, seconds: number): number {
  const { share, creationUsd } = feesFor(offer.market, offer.currency, undefined, undefined);
  const rent = (offer.pricePerDayUsd * Math.ceil(seconds / 60)) / 1440;
  return rent * (1 + share) + (seconds > creationFeeAfterMinutes * 60 ? creationUsd : 0);
}

/** What they have cost together, in USD. */
export function sumOf(attempts: readonly Attempt[]): number {
  return attempts.reduce((sum, attempt) => sum + attempt.costUsd, 0);
}

/** The last word when none worked: what was tried, what failed, how long it took and what it cost. */
export function noHost(attempts: readonly Attempt[], seconds: number): CloreError {
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
