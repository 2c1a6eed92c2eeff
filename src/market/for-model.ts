import { requireFit } from "../catalog/fit.ts";
import { gpuNames } from "../catalog/gpus.ts";
import type { Catalog, Model } from "../catalog/schema.ts";
import { type LoadOptions, vramNeeded } from "../catalog/vram.ts";
import type { OfferRequest } from "./request.ts";

/** Beside the model, the image and its layers want some of the disk. */
const diskBesideModelGb = 10;

/**
 * The request with room for the model: VRAM and disk are raised where they ask for less. Without a GPU class any
 * server with one GPU's worth of VRAM will do, so that the cheapest class of today's market wins.
 * @throws catalog.model-does-not-fit when the named class cannot hold it; catalog.unknown-gpu
 * @example requestForModel({ gpu: "RTX 3060" }, requireModel("gemma3:12b", catalog), catalog) // minVramGb: 12, minDiskGb: 19
 */
export function requestForModel(
  request: OfferRequest,
  model: Model,
  catalog: Catalog,
  options: LoadOptions = {},
): OfferRequest {
  if (model.runtime === "api") return request;
  const { gpu, gpuCount } = request;
  // Upwards: a need rounded down would let a card pass that is too small.
  const anyClassGb = Math.ceil(vramNeeded(model, options).totalGb * 10) / 10;
  const sizes = gpuNames(gpu).map((name) => requireFit(model, { gpu: name, gpuCount }, catalog, options));
  const vramGb = gpu === undefined ? anyClassGb : Math.min(...sizes.map(({ minVramGb }) => minVramGb!));
  const diskGb = Math.ceil(model.downloadBytes / 1e9) + diskBesideModelGb;
  return {
    ...request,
    minVramGb: Math.max(vramGb, request.minVramGb ?? 0),
    minDiskGb: Math.max(diskGb, request.minDiskGb ?? 0),
  };
}
