import fc from "fast-check";
import { findGpu, gpuMatcher } from "../../src/catalog/gpus.ts";
import { loadCatalog } from "../../src/catalog/load.ts";
import { type CurrencyPrice, currencies, type MarketServer } from "../../src/clore/types.ts";
import type { SelectContext } from "../../src/market/steps.ts";

export const catalog = loadCatalog();
export const context: SelectContext = { gpuClass: gpuMatcher(catalog) };

/** A price in USD, on both markets. */
export const usd = (onDemand: number, spot = onDemand): MarketServer["prices"] => ({
  "USD-Blockchain": price(onDemand, spot, onDemand, spot),
});

export const price = (
  onDemandPerDay?: number,
  spotPerDay?: number,
  onDemandPerDayUsd?: number,
  spotPerDayUsd?: number,
): CurrencyPrice => ({ onDemandPerDay, spotPerDay, onDemandPerDayUsd, spotPerDayUsd });

/** A free RTX 4090 in the US at 5 USD/day, changed as wanted. */
export function server(serverId: number, change: Partial<MarketServer> = {}): MarketServer {
  const gpus = change.gpus ?? ["RTX 4090"];
  return {
    serverId,
    ownerId: 1,
    rented: false,
    gpuModel: gpus[0],
    gpus,
    vramGbPerGpu: 24,
    ramGb: 64,
    cpuModel: undefined,
    cpuCores: 16,
    cpuThreads: 32,
    diskGb: 200,
    diskMbPerSecond: undefined,
    downMbps: 100,
    upMbps: 50,
    country: "US",
    reliability: 1,
    rating: undefined,
    cudaVersion: "12.4",
    maxRentalHours: 240,
    prices: usd(5),
    allowedCurrencies: ["USD-Blockchain"],
    ...change,
  };
}

const amount = fc.oneof(
  fc.constant(undefined),
  fc.constant(0),
  fc.double({ min: 0.01, max: 60, noNaN: true }),
);
const anyPrice = fc.record({
  onDemandPerDay: amount,
  spotPerDay: amount,
  onDemandPerDayUsd: amount,
  spotPerDayUsd: amount,
});
const gpuNames = fc.constantFrom(
  "RTX 4090",
  "RTX 4090 D",
  "RTX 3060",
  "RTX 3060 Ti",
  "RTX 3090",
  "Unheard-of 1",
);

/** Whatever a tolerant parser may let through. Prices in USD are the same in both fields, as the edge makes them. */
export const anyMarket: fc.Arbitrary<MarketServer[]> = fc.uniqueArray(
  fc
    .record({
      serverId: fc.integer({ min: 1, max: 9999 }),
      rented: fc.boolean(),
      gpus: fc.array(gpuNames, { maxLength: 3 }),
      vramGbPerGpu: fc.constantFrom(0, 8, 12, 24),
      ramGb: fc.constantFrom(8, 64, 256),
      diskGb: fc.constantFrom(20, 200),
      cpuCores: fc.integer({ min: 1, max: 64 }),
      downMbps: fc.double({ min: 0, max: 1000, noNaN: true }),
      upMbps: fc.double({ min: 0, max: 1000, noNaN: true }),
      reliability: fc.double({ min: 0, max: 1, noNaN: true }),
      country: fc.constantFrom("US", "DE", "UA", undefined),
      maxRentalHours: fc.constantFrom(6, 72, 1440),
      prices: fc.record(Object.fromEntries(currencies.map((c) => [c, anyPrice])), { requiredKeys: [] }),
      allowedCurrencies: fc.uniqueArray(fc.constantFrom(...currencies), { maxLength: 3 }),
    })
    .map(({ serverId, ...change }) => server(serverId, change as Partial<MarketServer>)),
  { selector: (s) => s.serverId, maxLength: 25 },
);

const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });

/** Requests that `checkOfferRequest` lets pass, prices aside. */
export const anyRequest = fc.record({
  gpu: maybe(fc.constantFrom("RTX 4090", "rtx3060", "RTX 3060 TI", ["RTX 4090", "rtx3060"])),
  gpuCount: maybe(fc.integer({ min: 1, max: 3 })),
  allowMixedGpus: maybe(fc.boolean()),
  minVramGb: maybe(fc.constantFrom(8, 12, 24)),
  minRamGb: maybe(fc.constantFrom(16, 64)),
  minDiskGb: maybe(fc.constantFrom(10, 100)),
  minCpuCores: maybe(fc.integer({ min: 1, max: 64 })),
  minDownMbps: maybe(fc.integer({ min: 0, max: 1000 })),
  minUpMbps: maybe(fc.integer({ min: 0, max: 1000 })),
  minReliability: maybe(fc.double({ min: 0, max: 1, noNaN: true })),
  countries: maybe(fc.subarray(["US", "DE", "ua"], { minLength: 1 })),
  excludeCountries: maybe(fc.subarray(["US", "DE"])),
  market: maybe(fc.constantFrom("on-demand" as const, "spot" as const)),
  bidPricePerDay: maybe(fc.double({ min: 0.1, max: 60, noNaN: true })),
  maxPricePerDay: maybe(fc.double({ min: 0.1, max: 60, noNaN: true })),
  currency: maybe(fc.constantFrom("auto" as const, ...currencies)),
  leaseHours: maybe(fc.integer({ min: 1, max: 2000 })),
  excludeServerIds: maybe(fc.array(fc.integer({ min: 1, max: 9999 }), { maxLength: 5 })),
});

export const gpu = (name: string) => findGpu(name, catalog)!;
