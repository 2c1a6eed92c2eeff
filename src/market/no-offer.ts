import { CloreError } from "../core/errors.ts";
import { formatUsd } from "../cost/price.ts";
import { describeServer, funnelText, type NearestMiss, type Selection } from "./select.ts";

/**
 * The error for a selection without offers: `market.no-offer`, saying which filter removed the last servers, what the
 * cheapest near miss is, and what to change to get it.
 */
export function noOfferError(selection: Selection): CloreError {
  const { funnel, nearestMiss } = selection;
  const last = funnel.findLastIndex((step, i) => i > 0 && step.remaining < funnel[i - 1]!.remaining);
  const before = funnel[last - 1]?.remaining ?? 0;
  const message =
    last < 1
      ? "no offer fits: the marketplace lists no server"
      : `no offer fits: none of the last ${before.toLocaleString("en-US")} is "${funnel[last]!.label}"`;
  return new CloreError("market.no-offer", {
    message,
    seen: [funnelText(selection), nearestMiss && `nearest: ${describeMiss(nearestMiss)}`]
      .filter(Boolean)
      .join("; "),
    hint: hintFor(nearestMiss, last < 1),
  });
}

function describeMiss(miss: NearestMiss): string {
  const price = miss.pricePerDayUsd === undefined ? "" : ` at ${formatUsd(miss.pricePerDayUsd)}/day`;
  return `${describeServer(miss.server)}${price} ${miss.misses.map((m) => m.seen).join(" and ")}`;
}

function hintFor(miss: NearestMiss | undefined, emptyMarket: boolean): string {
  if (miss) return miss.misses.map((m) => m.change).join(" and ");
  return emptyMarket
    ? "an empty list is more likely a fault of the service than an empty market: try again"
    : "wait for a server to become free, or widen the request";
}
