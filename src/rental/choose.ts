import { gpuMatcher } from "../catalog/gpus.ts";
import { configuredCatalog } from "../catalog/load.ts";
import type { SharedOrders } from "../clore/shared-orders.ts";
import type { CloreApi, Order, RenterFees } from "../clore/types.ts";
import type { Log } from "../core/log.ts";
import type { HostMemory } from "../market/memory.ts";
import { noOfferError } from "../market/no-offer.ts";
import { explain, type Job, type RankedOffer, rank } from "../market/rank.ts";
import type { OfferRequest } from "../market/request.ts";
import { funnelText, select } from "../market/select.ts";
import { usdPerUnit } from "./rates.ts";

export interface ChooseIo {
  clore: CloreApi;
  /** Saves a call where another server of this program has just read them. */
  orders?: SharedOrders;
  /** Pause between two looks at the orders, in milliseconds. @default 1000 */
  pollMs?: number;
  log: Log;
  signal: AbortSignal;
  /** Without a key nothing is known of wallets and orders: enough to look, not to rent. */
  hasKey: boolean;
  memory: HostMemory;
  /** What the service charges; undefined where it does not say: its documentation does. */
  fees?: () => Promise<RenterFees | undefined>;
  /** Servers that must not be taken: others of this program are about to. */
  taken: ReadonlySet<number>;
  /** Milliseconds since the epoch. */
  now: number;
}

/** The offers in the order in which they are to be tried, at least one. */
export interface Choice {
  ranked: readonly RankedOffer[];
  /** "1,193 free · 83 RTX 4090 · …" */
  funnel: string;
  /** Why an offer comes before the next. */
  because(offer: RankedOffer): string;
  /** The orders that there were when choosing: what appears later is new. */
  orders: readonly Order[];
  /** What one unit of a currency is worth in USD, by this reading of the market. */
  usdPerUnit(currency: string): number | undefined;
}

/**
 * Reads the market and ranks what fits by the cost to finish.
 * @throws CloreError `market.no-offer`, or what the API throws
 */
export async function choose(request: OfferRequest, job: Job, io: ChooseIo): Promise<Choice> {
  io.log.status("reading the marketplace");
  const [market, wallets, orders, fees] = await Promise.all([
    io.clore.marketplace(io.signal),
    io.hasKey ? io.clore.wallets(io.signal) : undefined,
    io.hasKey ? listing(io) : [],
    io.hasKey ? io.fees?.() : undefined,
  ]);
  if (market.skipped.length > 0) {
    io.log.debug(
      `${market.skipped.length} marketplace rows could not be read, the first: ${market.skipped[0]?.reason}`,
    );
  }
  const context = { memory: io.memory, now: io.now, fees };
  const busy = [...io.taken, ...orders.map((order) => order.serverId), ...(request.excludeServerIds ?? [])];
  const selection = select(
    market.servers,
    { ...request, excludeServerIds: busy },
    { gpuClass: gpuMatcher(configuredCatalog()), ownServerIds: market.ownServerIds, wallets, ...context },
  );
  if (selection.offers.length === 0) throw noOfferError(selection);
  const ranked = rank(selection.offers, { ...job, ...context });
  const funnel = funnelText(selection);
  io.log.status(`ranked ${selection.offers.length} offers`);
  return {
    ranked,
    funnel,
    orders,
    usdPerUnit: (currency) => usdPerUnit(currency, market.servers),
    because: (offer) => explain(offer, ranked[ranked.indexOf(offer) + 1]),
  };
}

/** A listing that is a few looks old will do: what is rented meanwhile is refused by the service. */
async function listing({ clore, orders, signal, now, pollMs }: ChooseIo): Promise<readonly Order[]> {
  if (!orders) return clore.myOrders({}, signal);
  return (await orders.read({ notBefore: now - 5 * (pollMs ?? 1000), signal })).orders;
}
