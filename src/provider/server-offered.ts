import type { Offer } from "../market/offers.ts";
import type { RentalRecord } from "../rental/record.ts";
import type { Call } from "./handler.ts";

/** What the market said of the server when it was rented: changed limits are compared with it. */
export type OfferedServer = {
  serverId: number;
  gpu?: string;
  gpuCount: number;
  vramGbPerGpu: number;
  ramGb: number;
  diskGb: number;
  cpuCores: number;
  downMbps: number;
  upMbps: number;
  reliability: number;
  country?: string;
  currency: string;
  market: string;
};

/** Keeps of an offer what changed limits are compared with. */
export function offeredOf(
  offer: Pick<Offer, "server" | "currency" | "market"> | undefined,
): OfferedServer | undefined {
  if (!offer) return undefined;
  const { server: s, currency, market } = offer;
  return {
    serverId: s.serverId,
    gpu: s.gpuModel,
    gpuCount: s.gpus.length,
    vramGbPerGpu: s.vramGbPerGpu,
    ramGb: s.ramGb,
    diskGb: s.diskGb,
    cpuCores: s.cpuCores,
    downMbps: s.downMbps,
    upMbps: s.upMbps,
    reliability: s.reliability,
    country: s.country,
    currency,
    market,
  };
}

/** What the market says of a server that was not chosen here: rented ones are listed too. */
export async function offeredBy(record: RentalRecord, call: Call): Promise<OfferedServer | undefined> {
  const market = await call.plugin.clore.marketplace(call.signal).catch(() => undefined);
  const server = market?.servers.find((one) => one.serverId === record.serverId);
  return server && offeredOf({ server, currency: record.currency, market: record.market });
}
