import { requireFit, smallestClassFor } from "../catalog/fit.ts";
import { findModel } from "../catalog/models.ts";
import type { Catalog, HostedModel } from "../catalog/schema.ts";
import { vramNeeded } from "../catalog/vram.ts";
import { CloreError } from "../core/errors.ts";

/** What has to fit on one GPU. */
export interface VllmWish {
  model: string;
  gpu: string | undefined;
  /** GB; `undefined`: as the catalog counts. */
  minVramGb: number | undefined;
  maxModelLen: number;
}

/** What to ask the marketplace for. */
export interface VllmRoom {
  /** `undefined`: any class with so much VRAM. */
  gpu: string | undefined;
  minVramGb: number;
  minDiskGb: number;
  /** Why, for people. */
  because: string;
}

/** Beside the model: vLLM with PyTorch and CUDA's libraries while they are installed, and compiled kernels. */
const diskBesideModelGb = 20;

/**
 * Room for the model, by the catalog where it knows it, otherwise by what was asked for. Pure, and asked before anything
 * is rented.
 * @throws CloreError `vllm.unknown-size`, `catalog.model-does-not-fit` with the GB that are missing and the classes that
 * fit, `catalog.no-class-fits`, `catalog.unknown-gpu`
 */
export function vllmRoom({ model: id, gpu, minVramGb, maxModelLen }: VllmWish, catalog: Catalog): VllmRoom {
  const found = findModel(id, catalog);
  const model = found?.runtime === "vllm" ? found : undefined;
  const minDiskGb = diskBesideModelGb + Math.ceil(model ? model.downloadBytes / 1e9 : (minVramGb ?? 0));
  if (minVramGb !== undefined)
    return { gpu, minVramGb, minDiskGb, because: `${minVramGb} GB were asked for` };
  if (!model) {
    throw new CloreError("vllm.unknown-size", {
      message: `the catalog does not know how much VRAM ${id} needs`,
      seen: `it knows ${known(catalog)}`,
      hint: "say it with minVramGb: the weights' GB (2 per billion parameters in bf16), a tenth more, and 1 to 2 GB for the context",
    });
  }
  return { ...fitting(model, gpu, maxModelLen, catalog), minDiskGb };
}

function fitting(model: HostedModel, gpu: string | undefined, contextTokens: number, catalog: Catalog) {
  if (gpu !== undefined) {
    const fit = requireFit(model, { gpu }, catalog, { contextTokens });
    return { gpu, minVramGb: fit.minVramGb!, because: `${gpu} was asked for` };
  }
  const choice = smallestClassFor(model, catalog, { contextTokens });
  if (choice) return { gpu: choice.gpu, minVramGb: choice.vramGb, because: choice.basis };
  throw new CloreError("catalog.no-class-fits", {
    message: `${model.tag} needs ${vramNeeded(model, { contextTokens }).totalGb.toFixed(1)} GB of VRAM, more than any single GPU of the catalog has`,
    hint: "take a smaller model, or a smaller maxModelLen",
  });
}

function known(catalog: Catalog): string {
  return catalog.models
    .filter(({ runtime }) => runtime === "vllm")
    .map(({ tag }) => tag)
    .join(", ");
}
