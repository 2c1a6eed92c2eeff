import { capturedRent, findGpu, gpuKey, gpuNames } from "../catalog/gpus.ts";
import type { Catalog } from "../catalog/schema.ts";
import { perDay } from "../cost/price.ts";
import type { OfferRequest } from "./request.ts";

/** Fewer captured servers than this say nothing about the lowest price. */
const enoughServers = 10;
/** Below the lowest captured price by more than the market moves: prices of one month differed by 7 % at the low end. */
const marginOnDemand = 0.9;
/** Spot asks for two thirds of the on-demand price in the captured rows. */
const marginSpot = 0.6;

/**
 * Whether a cap (or bid) in USD per day can be met at all, or is a price per hour by mistake: Clore.ai's prices are per
 * day, most other clouds' per hour. `undefined`: plausible. Only captured figures count as the market's; the guide's
 * price per hour only serves to recognise where a number was copied from.
 */
export function implausiblePrice(
  usdPerDay: number,
  request: OfferRequest,
  catalog: Catalog,
): string | undefined {
  const names = request.gpu === undefined ? [undefined] : gpuNames(request.gpu);
  const reasons = names.map((name) => implausibleFor(name, usdPerDay, request, catalog));
  // Of several classes one that can be had for it is enough.
  return reasons.includes(undefined) ? undefined : reasons[0];
}

function implausibleFor(
  name: string | undefined,
  usdPerDay: number,
  request: OfferRequest,
  catalog: Catalog,
): string | undefined {
  const gpu = name === undefined ? undefined : findGpu(name, catalog);
  if (name !== undefined && !gpu) return undefined;
  const perHourHint = `prices are per day; ${usdPerDay} USD per hour is ${Number(perDay(usdPerDay).toFixed(2))} USD per day`;
  const captured = gpu && lowestCaptured(gpu.name, request.gpuCount ?? 1, catalog);
  const margin = request.market === "spot" ? marginSpot : marginOnDemand;
  if (captured) {
    if (usdPerDay >= captured.min * margin) return undefined;
    return (
      `no ${gpu.name} is that cheap: the lowest of ${captured.servers} on demand on ${captured.captured} ` +
      `was ${captured.min} USD/day; ${perHourHint}`
    );
  }
  const guide = catalog.prices.guide.find((g) => gpuKey(g.gpu) === gpuKey(gpu?.name ?? "none"));
  if (guide && usdPerDay <= guide.usdPerHour) {
    return `that is a price per hour (guides name ${guide.usdPerHour} USD/h for ${gpu ? gpu.name : "a server without a GPU"}); ${perHourHint}`;
  }
  return undefined;
}

/** Of that many GPUs, otherwise of one: more of them are never cheaper. */
function lowestCaptured(gpu: string, gpuCount: number, catalog: Catalog) {
  return [capturedRent(gpu, gpuCount, catalog), capturedRent(gpu, 1, catalog)].find(
    (rent) => rent !== undefined && rent.servers >= enoughServers,
  );
}
