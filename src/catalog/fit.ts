import { CloreError } from "../core/errors.ts";
import { gpuKey, requireGpu } from "./gpus.ts";
import type { Catalog, Gpu, HostedModel, Model } from "./schema.ts";
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
    fittingClasses: fits ? [] : classesFor(neededGb, model.runtime, catalog).map((c) => c.gpu),
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
 * The classes of which a card has so much VRAM, in the order of the catalog. Which of them is the cheapest only the
 * market knows. Laptop chips, mining cards, and for vLLM cards without bf16 are never proposed: who wants one names it.
 */
export function classesHolding(
  neededGb: number,
  runtime: HostedModel["runtime"],
  catalog: Catalog,
): string[] {
  return catalog.gpus
    .filter((gpu) => isProposed(gpu, runtime) && gpu.variants.some(({ vramGb }) => vramGb >= neededGb))
    .map(({ name }) => name);
}

const isProposed = ({ laptop, mining, bf16 }: Gpu, runtime: Model["runtime"]) =>
  !laptop && !mining && (bf16 || runtime !== "vllm");

/** Classes with their smallest size that holds `neededGb`, humblest first. */
function classesFor(neededGb: number, runtime: Model["runtime"], catalog: Catalog) {
  const seen = new Set([...catalog.prices.rents, ...catalog.prices.guide].map((price) => gpuKey(price.gpu)));
  return catalog.gpus
    .filter((gpu) => isProposed(gpu, runtime))
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
