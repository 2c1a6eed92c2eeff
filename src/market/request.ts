import type { Currency, MarketKind } from "../clore/types.ts";

/** What is asked of a server where nothing is said, by a Server as by `clore offers`. */
export const serverDefaults = {
  minDiskGb: 10,
  /** Below it half of the market's hosts fail before anything runs; people can ask for less. */
  minReliability: 0.8,
} as const;

/**
 * What a server must be like. Everything is optional: an empty request means "any free server, the cheapest".
 * Checked as a whole by `checkOfferRequest`.
 * @example { gpu: "RTX 4090", minDownMbps: 50, maxPricePerDay: 6 }
 */
export interface OfferRequest {
  /**
   * The marketplace's name of the GPU class. Case and spaces do not count, everything else does: an "RTX 4090 D", a
   * Ti or a laptop chip is another class. Of a list any will do.
   * @default any server, with or without a GPU
   */
  gpu?: string | readonly string[];
  /** Exactly that many GPUs. @default 1 when `gpu` is given, otherwise any number */
  gpuCount?: number;
  /** Takes machines whose GPUs differ, when a GPU, a count or VRAM is asked for. @default false */
  allowMixedGpus?: boolean;
  /** GB per GPU. Some classes are sold with several sizes: an RTX 3060 has 8 or 12. */
  minVramGb?: number;
  minRamGb?: number;
  minDiskGb?: number;
  minCpuCores?: number;
  minDownMbps?: number;
  minUpMbps?: number;
  /** 0 to 1, as the marketplace states it: 0.97, not 97. */
  minReliability?: number;
  /** ISO 3166-1 alpha-2 codes: "DE", "GB". @default all */
  countries?: readonly string[];
  excludeCountries?: readonly string[];
  /** @default "on-demand" */
  market?: MarketKind;
  /** USD per day, spot only: what is bid, and paid, where the asked spot price is no higher. @default the asked price */
  bidPricePerDay?: number;
  /** The most to pay, in USD per day (24 h): the rent as listed, fees not counted. @default no cap */
  maxPricePerDay?: number;
  /** `auto`: the cheapest that the host takes and a wallet can pay. @default "auto" */
  currency?: "auto" | Currency;
  /** Leaves out hosts that rent for a shorter time. Hours. */
  leaseHours?: number;
  /** Servers that are not to be taken (they failed, or are in use). */
  excludeServerIds?: readonly number[];
}
