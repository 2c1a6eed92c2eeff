import type { MarketServer } from "../clore/types.ts";
import { describeGpus, type Offer, offersOf } from "./offers.ts";
import type { OfferRequest } from "./request.ts";
import { type Miss, offerSteps, type SelectContext, type Step, serverSteps } from "./steps.ts";

/** How many servers are left after a filter. */
export interface FunnelStep {
  label: string;
  remaining: number;
  /** Not asked for: shown only where it removed something. */
  quiet: boolean;
}

/** The server that would have been taken with the least change to the request. */
export interface NearestMiss {
  server: MarketServer;
  /** What it asks; `undefined` when it has no price on the wanted market. */
  pricePerDayUsd: number | undefined;
  /** One entry per filter that it does not pass, the one that counted it first. */
  misses: readonly Miss[];
}

/** What a request found. Every server is either in `offers` or counted by exactly one step of the funnel. */
export interface Selection {
  /** One per server that passed: its cheapest payable currency. In the market's order; `rank` sorts. */
  offers: readonly Offer[];
  /** The first is all that are listed. */
  funnel: readonly FunnelStep[];
  /** Only looked for when there is no offer. */
  nearestMiss: NearestMiss | undefined;
}

/**
 * Filters the market. Pure; the request is taken as checked (`checkOfferRequest`).
 * @example select(servers, { gpu: "RTX 4090", maxPricePerDay: 6 }, { gpuClass: gpuMatcher(catalog) })
 */
export function select(
  servers: readonly MarketServer[],
  request: OfferRequest,
  context: SelectContext,
): Selection {
  const onServer = serverSteps(request, context);
  const onOffer = offerSteps(request, context);
  const removed = new Array<number>(onServer.length + onOffer.length).fill(0);
  const offers: Offer[] = [];
  for (const server of servers) {
    const found = sift(server, request, onServer, onOffer);
    if (typeof found === "number") removed[found]!++;
    else offers.push(found);
  }
  const funnel: FunnelStep[] = [{ label: "listed", remaining: servers.length, quiet: false }];
  for (const [index, { label, quiet }] of [...onServer, ...onOffer].entries()) {
    funnel.push({ label, quiet, remaining: funnel.at(-1)!.remaining - removed[index]! });
  }
  const last = removed.findLastIndex((count) => count > 0);
  return {
    offers,
    funnel,
    nearestMiss: offers.length > 0 ? undefined : nearestMiss(servers, request, onServer, onOffer, last),
  };
}

/**
 * The funnel in one line, up to where nothing is left.
 * @example "1,193 free · 83 RTX 4090 · 61 with ≥ 50 Mbps · 40 up to 6 USD/day"
 */
export function funnelText(selection: Pick<Selection, "funnel">): string {
  const { funnel } = selection;
  const empty = funnel.findIndex((step) => step.remaining === 0);
  return funnel
    .slice(0, empty < 0 ? undefined : empty + 1)
    .filter((step, i, all) => i > 0 && (!step.quiet || step.remaining < all[i - 1]!.remaining))
    .map((step) => `${step.remaining.toLocaleString("en-US")} ${step.label}`)
    .join(" · ");
}

/** The server's cheapest offer that passes all, or the index of the step that stops it: of its offers the one that gets furthest counts. */
function sift(
  server: MarketServer,
  request: OfferRequest,
  onServer: readonly Step<MarketServer>[],
  onOffer: readonly Step<Offer>[],
): Offer | number {
  for (let i = 0; i < onServer.length; i++) {
    if (!onServer[i]!.passes(server)) return i;
  }
  let furthest = 0;
  for (const offer of offersOf(server, request.market ?? "on-demand", request.bidPricePerDay)) {
    const failed = onOffer.findIndex((step) => !step.passes(offer));
    if (failed < 0) return offer;
    furthest = Math.max(furthest, failed);
  }
  return onServer.length + furthest;
}

/**
 * Among the servers that got as far as any: those that fail the fewest filters, and of these the cheapest. Servers that
 * no change of the request could bring (rented ones, our own) are not near.
 */
function nearestMiss(
  servers: readonly MarketServer[],
  request: OfferRequest,
  onServer: readonly Step<MarketServer>[],
  onOffer: readonly Step<Offer>[],
  last: number,
): NearestMiss | undefined {
  let best: NearestMiss | undefined;
  for (const server of servers) {
    if (sift(server, request, onServer, onOffer) !== last) continue;
    const miss = missesOf(server, request, onServer, onOffer);
    if (miss.misses.some((m) => m.change === undefined)) continue;
    if (!best || isNearer(miss, best)) best = miss;
  }
  return best;
}

function missesOf(
  server: MarketServer,
  request: OfferRequest,
  onServer: readonly Step<MarketServer>[],
  onOffer: readonly Step<Offer>[],
): NearestMiss {
  const ofServer = onServer.filter((step) => !step.passes(server)).map((step) => step.miss(server));
  const ways = offersOf(server, request.market ?? "on-demand", request.bidPricePerDay).map((offer) => ({
    offer,
    misses: onOffer.filter((step) => !step.passes(offer)).map((step) => step.miss(offer)),
  }));
  // Offers come cheapest first and the sort is stable: of equally near ones the cheapest leads.
  const way = ways.toSorted((a, b) => a.misses.length - b.misses.length)[0];
  return {
    server,
    pricePerDayUsd: way?.offer.listedPricePerDayUsd,
    misses: [...ofServer, ...(way?.misses ?? [])],
  };
}

function isNearer(a: NearestMiss, b: NearestMiss): boolean {
  if (a.misses.length !== b.misses.length) return a.misses.length < b.misses.length;
  return (a.pricePerDayUsd ?? Number.POSITIVE_INFINITY) < (b.pricePerDayUsd ?? Number.POSITIVE_INFINITY);
}

/** "server 12345 (RTX 4090, US)". */
export function describeServer(server: MarketServer): string {
  return `server ${server.serverId} (${[describeGpus(server), server.country].filter(Boolean).join(", ")})`;
}
