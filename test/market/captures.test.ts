import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { capturedRent } from "../../src/catalog/gpus.ts";
import { readMarketRow } from "../../src/clore/market-row.ts";
import type { OfferRequest } from "../../src/market/request.ts";
import { select } from "../../src/market/select.ts";
import { catalog, context } from "./servers.ts";

const fixture = (name: string) =>
  JSON.parse(readFileSync(new URL(`../fixtures/market/${name}`, import.meta.url), "utf8"));

/** The captured rows; the fields that were not published are those of the captured order. */
const servers = fixture("market.rows.json").rows.map((row: { specs: { net: object } }) => {
  const { specs } = fixture("my_orders.live.json").orders[0];
  const whole = {
    mrl: 240,
    rented: false,
    ...row,
    specs: { ...specs, net: { ...specs.net, ...row.specs.net } },
  };
  const result = readMarketRow(whole);
  if (!result.ok) throw new Error(result.reason);
  return result.server;
});

test.each<{ request: OfferRequest; ids: number[] }>([
  { request: {}, ids: [111947, 110602, 112576, 99920] },
  { request: { gpu: "RTX 4090" }, ids: [111947, 110602] },
  { request: { gpu: "RTX 4090", minReliability: 0.7 }, ids: [110602] },
  { request: { maxPricePerDay: 3.99 }, ids: [110602] },
  // 99920 asks 12 on demand and 8 on spot, though its usd.spot says 0.
  { request: { gpu: "L40S", market: "spot", maxPricePerDay: 8 }, ids: [99920] },
  { request: { gpu: "L40S", maxPricePerDay: 8 }, ids: [] },
])("captured rows: $request gives $ids", ({ request, ids }) => {
  expect(select(servers, request, context).offers.map((o) => o.serverId)).toEqual(ids);
});

test("captured row 111947 is cheapest in CLORE: 4 USD on demand, 3.40 on spot", () => {
  const [onDemand] = select(servers, { gpu: "RTX 4090" }, context).offers;
  expect(onDemand).toMatchObject({ serverId: 111947, currency: "CLORE-Blockchain", pricePerDay: 3343.13 });
  expect(onDemand?.pricePerDayUsd).toBeCloseTo(4, 4);
  const [spot] = select(servers, { gpu: "RTX 4090", market: "spot" }, context).offers;
  expect(spot).toMatchObject({ currency: "CLORE-Blockchain", pricePerDay: 2841.66, pricePerDayUsd: 3.4 });
});

test("the catalog's prices are the captured ones", () => {
  const { captured, usd_per_day_on_demand: classes } = fixture("market.distribution.json");
  for (const [key, { count, ...figures }] of Object.entries<Record<string, number>>(classes)) {
    const [name, gpuCount] = key.replace("RTX6000_ADA", "RTX 6000 Ada").split("_");
    expect(capturedRent(name!, Number.parseInt(gpuCount!, 10), catalog), key).toMatchObject({
      servers: count,
      captured: captured.slice(0, 10),
      ...figures,
    });
  }
});
