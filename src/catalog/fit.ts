import { CloreError } from "../core/errors.ts";
import { capturedRent, gpuKey, requireGpu } from "./gpus.ts";
import type { Catalog, Model } from "./schema.ts";
import { type LoadOptions, vramNeeded } from "./vram.ts";

/** Where a model is to go. */
export interface Placement {
  gpu: string;
  /** VRAM per GPU; only needed to pick one of several sizes sold under the name. @default the largest */
  vramGb?: number;
  /** The runtimes split a model over several GPUs. @default 1 */
  gpuCount?: number;
}

/** Whether a model goes on a GPU class, and what to ask the marketplace for. */
export interface Fit {
  fits: boolean;
  neededGb: number;
  /** Over all its GPUs. */
  availableGb: number;
  /** 0 when it fits. */
  missingGb: number;
  /** The smallest memory size of this class, per GPU, that holds it: the request's `minVramGb`. */
  minVramGb: number | undefined;
  /** Classes that hold it on one GPU, humblest first. Empty when it fits. */
  fittingClasses: readonly string[];
}

/** A GPU class with one of its memory sizes. */
export interface ClassChoice {
  gpu: string;
  vramGb: number;
  neededGb: number;
  /** `undefined`: no price was captured, and none is guessed. */
  pricePerDayUsd: number | undefined;
  /** What made it the cheapest, in words. */
  basis: string;
}

/**
 * Whether the model fits, by the formula of `vramNeeded`.
 * @throws catalog.unknown-gpu
 */
export function fitModel(model: Model, place: Placement, catalog: Catalog, options: LoadOptions = {}): Fit {
  const gpu = requireGpu(place.gpu, catalog);
  const gpuCount = place.gpuCount ?? 1;
  const neededGb = vramNeeded(model, options).totalGb;
  const sizes = place.vramGb === undefined ? gpu.variants.map((v) => v.vramGb) : [place.vramGb];
  const availableGb = Math.max(...sizes) * gpuCount;
  const holding = sizes.filter((size) => size * gpuCount >= neededGb);
  const fits = holding.length > 0;
  return {
    fits,
    neededGb,
    availableGb,
    missingGb: fits ? 0 : neededGb - availableGb,
    minVramGb: fits ? Math.min(...holding) : undefined,
    fittingClasses: fits ? [] : classesFor(neededGb, catalog).map((c) => c.gpu),
  };
}

/**
 * Like `fitModel`.
 * @throws catalog.model-does-not-fit with the GB that are missing and the classes that hold it
 */
export function requireFit(model: Model, place: Placement, catalog: Catalog, options: LoadOptions = {}): Fit {
  const fit = fitModel(model, place, catalog, options);
  if (fit.fits) return fit;
  const on = `${(place.gpuCount ?? 1) > 1 ? `${place.gpuCount}x ` : ""}${place.gpu}`;
  throw new CloreError("catalog.model-does-not-fit", {
    message: `${model.tag} needs ${gb(fit.neededGb)}, ${on} has ${gb(fit.availableGb)}: ${gb(fit.missingGb)} are missing`,
    hint:
      fit.fittingClasses.length > 0
        ? `classes that hold it: ${fit.fittingClasses.slice(0, 5).join(", ")}; or a smaller model, context or parallelism`
        : "no single GPU of the catalog holds it: take a smaller model, context or parallelism, or more GPUs",
  });
}

/**
 * The cheapest class that holds the model on one desktop or data centre GPU; `undefined` when none does,
 * and for an API model, which needs none.
 *
 * With `livePrices` (USD per day by class name, from today's offers) the cheapest of these. Without, memory size ×
 * bandwidth stands for the price, since most classes have none captured; classes that are known to be on the market
 * (captured, or named by the guide) go first. A rental need not name a class at all: `minVramGb` alone takes the
 * cheapest offer of any.
 */
export function smallestClassFor(
  model: Model,
  catalog: Catalog,
  options: LoadOptions & { livePrices?: ReadonlyMap<string, number> } = {},
): ClassChoice | undefined {
  if (model.runtime === "api") return undefined;
  const neededGb = vramNeeded(model, options).totalGb;
  const classes = classesFor(neededGb, catalog);
  if (options.livePrices) {
    const live = new Map([...options.livePrices].map(([name, price]) => [gpuKey(name), price]));
    const priced = classes
      .flatMap((c) => (live.has(gpuKey(c.gpu)) ? [{ ...c, price: live.get(gpuKey(c.gpu))! }] : []))
      .toSorted((a, b) => a.price - b.price);
    const best = priced[0];
    if (best) {
      const basis = "the cheapest of today's offers";
      return { gpu: best.gpu, vramGb: best.vramGb, neededGb, pricePerDayUsd: best.price, basis };
    }
  }
  const best = classes[0];
  if (!best) return undefined;
  const captured = capturedRent(best.gpu, 1, catalog);
  return {
    gpu: best.gpu,
    vramGb: best.vramGb,
    neededGb,
    pricePerDayUsd: captured?.median,
    basis: captured
      ? `the humblest class on the market that holds it; median of ${captured.servers} servers on ${captured.captured}`
      : "the humblest class on the market that holds it; no price was captured",
  };
}

/** Classes with their smallest size that holds `neededGb`, humblest first; laptop chips are never proposed. */
function classesFor(neededGb: number, catalog: Catalog) {
  const seen = new Set([...catalog.prices.rents, ...catalog.prices.guide].map((price) => gpuKey(price.gpu)));
  return catalog.gpus
    .filter((gpu) => !gpu.laptop)
    .flatMap((gpu) => {
      const variant = gpu.variants
        .filter((v) => v.vramGb >= neededGb)
        .toSorted((a, b) => a.vramGb - b.vramGb)[0];
      if (!variant) return [];
      return [{ gpu: gpu.name, ...variant, onMarket: seen.has(gpuKey(gpu.name)) }];
    })
    .toSorted(
      (a, b) =>
        Number(b.onMarket) - Number(a.onMarket) || a.vramGb * a.bandwidthGBps - b.vramGb * b.bandwidthGBps,
    );
}

const gb = (value: number) => `${value.toFixed(1)} GB`;
