import { parseHours } from "../cost/duration.ts";
import type { Job } from "../market/rank.ts";
import { type OfferRequest, serverDefaults } from "../market/request.ts";
import type { ServerInputs } from "./server-inputs.ts";

/** What a Server's inputs ask of the market. */
export function offerRequestOf(inputs: Partial<ServerInputs>): OfferRequest {
  return {
    gpu: inputs.gpu,
    gpuCount: inputs.gpuCount,
    minVramGb: inputs.minVramGb,
    minRamGb: inputs.minRamGb,
    minDiskGb: inputs.minDiskGb ?? serverDefaults.minDiskGb,
    minCpuCores: inputs.minCpuCores,
    minDownMbps: inputs.minDownMbps,
    minUpMbps: inputs.minUpMbps,
    minReliability: inputs.minReliability ?? serverDefaults.minReliability,
    countries: inputs.countries,
    excludeCountries: inputs.excludeCountries,
    excludeServerIds: inputs.excludeServers,
    market: inputs.market,
    bidPricePerDay: inputs.bidPricePerDay,
    maxPricePerDay: inputs.maxPricePerDay,
    currency: inputs.currency,
    leaseHours: leaseHours(inputs.lease),
  };
}

/** What is to be done there, for ranking. */
export function jobOf(inputs: Partial<ServerInputs>): Job {
  return {
    runHours: leaseHours(inputs.lease),
    modelBytes: inputs.loadGb === undefined ? undefined : inputs.loadGb * 1e9,
  };
}

/** Hours of "8h"; undefined for none. */
export function leaseHours(lease: string | undefined): number | undefined {
  return lease === undefined || lease === "none" ? undefined : parseHours(lease);
}
