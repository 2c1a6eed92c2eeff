import { type Currency, currencies, type MarketKind, type MarketServer } from "../clore/types.ts";

/** One way to rent one server: its price in one currency on one of the two markets. */
export interface Offer {
  server: MarketServer;
  serverId: number;
  market: MarketKind;
  currency: Currency;
  /** What will be paid, in `currency` per day: the asked price, or the bid where one was named. */
  pricePerDay: number;
  /** The same in USD. */
  pricePerDayUsd: number;
  /** What the host asks, in USD per day. */
  listedPricePerDayUsd: number;
  /** What one unit of `currency` is worth, as this row's own figures imply. */
  usdPerUnit: number;
}

/**
 * Every offer of a server on one market: one per currency that is priced *and* accepted, cheapest first.
 * @param bidPerDayUsd on spot: what is bid instead of the asked price
 */
export function offersOf(server: MarketServer, market: MarketKind, bidPerDayUsd?: number): Offer[] {
  const offers: Offer[] = [];
  for (const currency of server.allowedCurrencies) {
    const price = priceIn(server, currency, market);
    if (!price) continue;
    const usdPerUnit = price.usd / price.units;
    const bid = market === "spot" ? bidPerDayUsd : undefined;
    offers.push({
      server,
      serverId: server.serverId,
      market,
      currency,
      pricePerDay: bid === undefined ? price.units : bid / usdPerUnit,
      pricePerDayUsd: bid ?? price.usd,
      listedPricePerDayUsd: price.usd,
      usdPerUnit,
    });
  }
  return offers.length > 1 ? offers.toSorted(byListedPrice) : offers;
}

/** Whether the server has any offer on this market, without making them. */
export function hasPrice(server: MarketServer, market: MarketKind): boolean {
  return server.allowedCurrencies.some((currency) => priceIn(server, currency, market) !== undefined);
}

/** Cheapest first; at the same price USD first, whose worth does not move. */
function byListedPrice(a: Offer, b: Offer): number {
  return (
    a.listedPricePerDayUsd - b.listedPricePerDayUsd ||
    currencies.indexOf(b.currency) - currencies.indexOf(a.currency)
  );
}

/**
 * The price in a currency and in USD; `undefined` when either cannot be told. A USD price of 0 is none: the market
 * states `usd.spot` as 0 where a spot price stands (observed), and the on-demand price then gives the rate.
 */
function priceIn(server: MarketServer, currency: Currency, market: MarketKind) {
  const price = server.prices[currency];
  if (!price) return undefined;
  const units = market === "spot" ? price.spotPerDay : price.onDemandPerDay;
  if (!isPrice(units)) return undefined;
  if (currency === "USD-Blockchain") return { units, usd: units };
  const stated = market === "spot" ? price.spotPerDayUsd : price.onDemandPerDayUsd;
  if (isPrice(stated)) return { units, usd: stated };
  if (!isPrice(price.onDemandPerDay) || !isPrice(price.onDemandPerDayUsd)) return undefined;
  return { units, usd: (units / price.onDemandPerDay) * price.onDemandPerDayUsd };
}

const isPrice = (value: number | undefined): value is number =>
  value !== undefined && Number.isFinite(value) && value > 0;

/** "RTX 4090", "2x RTX 4090", "mixed GPUs" or "no GPU". */
export function describeGpus(server: MarketServer): string {
  const first = server.gpus[0];
  if (first === undefined) return "no GPU";
  if (isMixed(server)) return `${server.gpus.length}x mixed GPUs`;
  return server.gpus.length === 1 ? first : `${server.gpus.length}x ${first}`;
}

/** Several kinds of GPU in one machine; the marketplace may name them one by one, or just "Mixed GPUs". */
export function isMixed(server: MarketServer): boolean {
  const { gpus } = server;
  for (let i = 0; i < gpus.length; i++) {
    if (gpus[i] !== gpus[0] || /mixed/i.test(gpus[i]!)) return true;
  }
  return false;
}
