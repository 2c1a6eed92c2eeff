import { classesHolding, requireFit } from "../catalog/fit.ts";
import { gpuNames } from "../catalog/gpus.ts";
import type { Catalog, HostedModel } from "../catalog/schema.ts";
import { type LoadOptions, vramNeeded } from "../catalog/vram.ts";
import { CloreError } from "../core/errors.ts";
import type { OfferRequest } from "./request.ts";

/** What to ask the marketplace for, so that models have room on one server. The same for stacks and `clore offers`. */
export interface ModelRoom {
  /** The class that was asked for, or all that hold them: which of these is the cheapest the market tells. */
  gpu: string | string[];
  /** GB per GPU that the models need; a class may have more. */
  minVramGb: number;
  minDiskGb: number;
  /** What has to be downloaded, what runs the models included. */
  loadGb: number;
  /** Why these classes, for people. */
  because: string;
}

/** Where the models are to go. */
export type Place = Pick<OfferRequest, "gpu" | "gpuCount">;

/** What each runtime takes beside the weights. */
const runtimes = {
  // Ollama with its parts for GPUs, unpacked beside its archive.
  ollama: { diskGb: 12, loadGb: 1.4, contextTokens: undefined },
  // vLLM with PyTorch and CUDA's libraries while they are installed, and compiled kernels.
  vllm: { diskGb: 20, loadGb: 4.5, contextTokens: 8192 },
} as const;

/** Tokens of context that vLLM sets memory aside for, unless told otherwise. */
export const vllmContextTokens = runtimes.vllm.contextTokens;

/**
 * Room for all the models at once. Without a GPU class all classes that hold them will do.
 * @throws catalog.model-does-not-fit when a named class cannot hold them; catalog.no-class-fits; catalog.unknown-gpu
 * @example roomForModels([requireModel("gemma3:12b", catalog)], { gpu: "RTX 3060" }, catalog) // minVramGb: 9.8, minDiskGb: 21
 */
export function roomForModels(
  models: readonly [HostedModel, ...HostedModel[]],
  place: Place,
  catalog: Catalog,
  options: LoadOptions = {},
): ModelRoom {
  const [{ runtime }] = models;
  const load = { ...options, contextTokens: options.contextTokens ?? runtimes[runtime].contextTokens };
  const together = asOne(models, load);
  for (const gpu of gpuNames(place.gpu))
    requireFit(together, { gpu, gpuCount: place.gpuCount }, catalog, load);
  const weightsGb = models.reduce((sum, { downloadBytes }) => sum + downloadBytes, 0) / 1e9;
  return {
    ...classesFor(together, vramNeeded(together, load).totalGb, place, catalog),
    ...sizesFor(runtime, weightsGb),
  };
}

/** The classes for a need of so many GB, over all GPUs. @throws catalog.no-class-fits */
export function classesFor(
  { tag, runtime }: Pick<HostedModel, "tag" | "runtime">,
  neededGb: number,
  { gpu, gpuCount = 1 }: Place,
  catalog: Catalog,
): Pick<ModelRoom, "gpu" | "minVramGb" | "because"> {
  // Upwards: a need rounded down would let a card pass that is too small.
  const minVramGb = Math.ceil((neededGb / gpuCount) * 10) / 10;
  if (gpu !== undefined) {
    const named = typeof gpu === "string" ? gpu : [...gpu];
    return { gpu: named, minVramGb, because: `${gpuNames(gpu).join(" or ")} was asked for` };
  }
  const classes = classesHolding(minVramGb, runtime, catalog);
  if (classes.length > 0) {
    const because = `needs ${minVramGb} GB of VRAM${gpuCount > 1 ? " a GPU" : ""}; of the ${classes.length} GPU classes that have it the cheapest offer to finish is taken`;
    return { gpu: classes, minVramGb, because };
  }
  throw new CloreError("catalog.no-class-fits", {
    message: `${tag} needs ${neededGb.toFixed(1)} GB of VRAM, more than any ${gpuCount > 1 ? `${gpuCount} GPUs` : "single GPU"} of the catalog ${gpuCount > 1 ? "have" : "has"}`,
    hint: "take a smaller model or a shorter context (contextLength, parallel, maxModelLen), or with Ollama more GPUs (gpuCount)",
  });
}

/** Disk and download for so many GB of weights. */
export function sizesFor(runtime: keyof typeof runtimes, weightsGb: number) {
  const { diskGb, loadGb } = runtimes[runtime];
  return { minDiskGb: Math.ceil(weightsGb) + diskGb, loadGb: Math.round((weightsGb + loadGb) * 10) / 10 };
}

/** The request with that room; more VRAM than the models need stays asked for. */
export function requestWithRoom(request: OfferRequest, room: ModelRoom): OfferRequest {
  const { gpu, minVramGb, minDiskGb } = room;
  return { ...request, gpu, minVramGb: Math.max(minVramGb, request.minVramGb ?? 0), minDiskGb };
}

/** Several models loaded side by side, as one that needs what they need together. */
function asOne(models: readonly [HostedModel, ...HostedModel[]], load: LoadOptions): HostedModel {
  const [first, ...others] = models;
  const restGb = others.reduce((sum, model) => sum + vramNeeded(model, load).totalGb, 0);
  return {
    ...first,
    tag: models.map(({ tag }) => tag).join(" + "),
    downloadBytes: first.downloadBytes + restGb * 1e9,
  };
}
