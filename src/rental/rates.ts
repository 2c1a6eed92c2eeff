import type { CloreApi, Currency, MarketServer } from "../clore/types.ts";

/**
 * What one unit of a currency is worth in USD, from rows that state a price in both. The median: single rows are off.
 * @returns undefined when no row states it
 */
export function usdPerUnit(currency: string, servers: readonly MarketServer[]): number | undefined {
  if (currency === "USD-Blockchain") return 1;
  const rates = servers.flatMap((server) => {
    const price = server.prices[currency as Currency];
    return price?.onDemandPerDay && price.onDemandPerDayUsd
      ? [price.onDemandPerDayUsd / price.onDemandPerDay]
      : [];
  });
  return rates.toSorted((a, b) => a - b)[Math.floor(rates.length / 2)];
}

export interface RatesIo {
  clore: Pick<CloreApi, "marketplace">;
  signal: AbortSignal;
}

/** USD for one unit of each currency in which these are paid; the market is read only when one needs it. */
export async function ratesFor(
  paid: readonly { currency: string }[],
  { clore, signal }: RatesIo,
): Promise<(currency: string) => number | undefined> {
  if (paid.every(({ currency }) => currency === "USD-Blockchain"))
    return (currency) => usdPerUnit(currency, []);
  const { servers } = await clore.marketplace(signal);
  return (currency) => usdPerUnit(currency, servers);
}

/** What an order costs in USD per day; 0 where no rate is known. */
export async function usdPerDayOf(
  order: { currency: string; pricePerDay: number },
  io: RatesIo,
): Promise<number> {
  const rate = await ratesFor([order], io);
  return order.pricePerDay * (rate(order.currency) ?? 0);
}
