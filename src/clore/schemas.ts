import { z } from "zod";
import { readMarketRow } from "./market-row.ts";
import { orderSchema } from "./order-row.ts";
import { currencies, type Marketplace, type RenterFees, type SpotMarket, type Wallet } from "./types.ts";
import {
  amount,
  anything,
  asNumber,
  asNumbers,
  asRecord,
  asText,
  flag,
  id,
  number,
  numbers,
  record,
  text,
} from "./values.ts";

/** The answers of the service, each turned into types.ts at once: past this file no unit is left to guess. */

export const walletsSchema = z.object({
  wallets: z.array(
    z
      .object({ name: z.string().min(1), balance: amount, deposit: text })
      .transform(
        ({ name, balance, deposit }): Wallet => ({ currency: name, balance, depositAddress: deposit }),
      ),
  ),
});

/** Rows that cannot be read, or come twice, are counted and not thrown. */
export const marketplaceSchema = z
  .object({ servers: z.array(z.unknown()), my_servers: z.array(z.unknown()).nullish().catch([]) })
  .transform(({ servers: rows, my_servers }): Marketplace => {
    const servers = new Map<number, Marketplace["servers"][number]>();
    const skipped: { serverId: number | undefined; reason: string }[] = [];
    for (const row of rows) {
      const result = readMarketRow(row);
      if (!result.ok) skipped.push({ serverId: result.serverId, reason: result.reason });
      else if (servers.has(result.server.serverId)) {
        skipped.push({ serverId: result.server.serverId, reason: "id: listed twice" });
      } else servers.set(result.server.serverId, result.server);
    }
    return {
      servers: [...servers.values()],
      skipped,
      ownServerIds: (my_servers ?? []).flatMap((own) => id.safeParse(own).data ?? []),
    };
  });

/**
 * `orders` may be missing altogether, which is taken for an empty listing; an empty listing proves nothing, so the
 * callers must not conclude from it. A row that cannot be read fails the listing.
 */
export const ordersSchema = z
  .object({ orders: z.array(orderSchema).nullish() })
  .transform(({ orders }) => orders ?? []);

const spotOfferSchema = z
  .object({ offer_id: number, bid: amount, active: flag, my: flag, currency: text })
  .transform(({ offer_id, bid, active, my, currency }) => ({
    offerId: offer_id,
    bidPerDay: bid,
    active,
    mine: my,
    currency,
  }));

export function spotMarketSchema(serverId: number) {
  return z
    .object({
      exists: anything,
      market: z
        .object({
          offers: z.array(spotOfferSchema).nullish(),
          server: record,
          currency_rates_in_usd: numbers,
        })
        .nullish(),
    })
    .transform(
      ({ exists, market }): SpotMarket => ({
        serverId,
        exists: exists !== false && exists !== 0 && market != null,
        offers: market?.offers ?? [],
        online: market?.server.online === true || market?.server.online === 1,
        minPricePerDay: minimumPrices(market?.server.min_pricing),
        usdPerUnit: market?.currency_rates_in_usd ?? {},
      }),
    );
}

function minimumPrices(value: unknown): SpotMarket["minPricePerDay"] {
  const stated = asNumbers(value);
  return Object.fromEntries(
    currencies.flatMap((currency) => (stated[currency]! >= 0 ? [[currency, stated[currency]]] : [])),
  );
}

/** Percentages become shares: 5 → 0.05. */
export const renterFeesSchema = z
  .object({
    renter_fees: z.object({ on_demand: anything, spot: anything }),
    creation_fees: record,
  })
  .transform(
    ({ renter_fees, creation_fees }): RenterFees => ({
      onDemandShare: shares(renter_fees.on_demand),
      spotShare: shares(renter_fees.spot),
      creationFee: { onDemand: perCurrency(creation_fees.on_demand), spot: perCurrency(creation_fees.spot) },
    }),
  );

function shares(value: unknown): Record<string, number> {
  return Object.fromEntries(
    Object.entries(perCurrency(value)).map(([currency, percent]) => [currency, percent / 100]),
  );
}

/** `{base: {currency: n}}` or `{currency: n}`; what is no number or below 0 is left out. */
function perCurrency(value: unknown): Record<string, number> {
  const outer = asRecord(value);
  const table = "base" in outer ? asRecord(outer.base) : outer;
  return Object.fromEntries(
    Object.entries(table).flatMap(([currency, raw]) => {
      const figure = asNumber(raw);
      return figure !== undefined && figure >= 0 && asText(currency) ? [[currency, figure]] : [];
    }),
  );
}
