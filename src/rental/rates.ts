import type { Currency, MarketServer } from "../clore/types.ts";

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
