import { type Currency, type CurrencyPrice, currencies, type MarketServer } from "./types.ts";
import { asNumber, asRecord } from "./values.ts";

/** How `price.usd` spells the currencies. */
const usdKey: Readonly<Record<Currency, string>> = {
  bitcoin: "on_demand_btc",
  "CLORE-Blockchain": "on_demand_clore",
  "USD-Blockchain": "on_demand_usd",
};

export type PricesResult = { ok: true; prices: MarketServer["prices"] } | { ok: false; reason: string };

/**
 * The prices of one row, all per day. Strict: a price that is no number, or negative, condemns the row; 0, null and
 * nothing mean "not offered". The same host may ask different USD prices in different currencies, so USD is kept
 * per currency. `price.usd.spot` is 0 even where a spot price stands (observed), so it is the last place to look.
 */
export function marketPrices(
  price: Record<string, unknown>,
  rowOriginal: Record<string, unknown>,
): PricesResult {
  const usd = asRecord(price.usd);
  const onDemand = asRecord(price.on_demand);
  const spot = asRecord(price.spot);
  const prices: Partial<Record<Currency, CurrencyPrice>> = {};
  for (const currency of currencies) {
    for (const [kind, table] of [
      ["on_demand", onDemand],
      ["spot", spot],
    ] as const) {
      if (isRubbish(table[currency])) return { ok: false, reason: `price.${kind}.${currency}: not a price` };
    }
    const onDemandPerDay = offered(onDemand[currency]);
    const spotPerDay = offered(spot[currency]);
    if (onDemandPerDay === undefined && spotPerDay === undefined) continue;
    const original = {
      ...asRecord(rowOriginal[currency]),
      ...asRecord(asRecord(price.original_usd)[currency]),
    };
    const isUsd = currency === "USD-Blockchain";
    const onDemandPerDayUsd =
      onDemandPerDay === undefined
        ? undefined
        : isUsd
          ? onDemandPerDay
          : (offered(usd[usdKey[currency]]) ?? offered(original.on_demand));
    prices[currency] = {
      onDemandPerDay,
      spotPerDay,
      onDemandPerDayUsd,
      spotPerDayUsd:
        spotPerDay === undefined
          ? undefined
          : isUsd
            ? spotPerDay
            : (offered(original.spot) ??
              converted(spotPerDay, onDemandPerDay, onDemandPerDayUsd) ??
              offered(usd.spot)),
    };
  }
  return Object.keys(prices).length === 0
    ? { ok: false, reason: "price: none above 0" }
    : { ok: true, prices };
}

function isRubbish(value: unknown): boolean {
  if (value === undefined || value === null) return false;
  const number = asNumber(value);
  return number === undefined || number < 0;
}

function offered(value: unknown): number | undefined {
  const number = asNumber(value);
  return number !== undefined && number > 0 ? number : undefined;
}

/** The spot price in USD at the rate that the on-demand price implies. */
function converted(
  spot: number,
  onDemand: number | undefined,
  onDemandUsd: number | undefined,
): number | undefined {
  return onDemand === undefined || onDemandUsd === undefined
    ? undefined
    : offered((spot / onDemand) * onDemandUsd);
}
