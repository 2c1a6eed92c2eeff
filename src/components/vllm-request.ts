import { findModel } from "../catalog/models.ts";
import type { Catalog } from "../catalog/schema.ts";
import { CloreError } from "../core/errors.ts";
import { classesFor, type ModelRoom, roomForModels, sizesFor } from "../market/for-model.ts";

/** What has to fit on one GPU. */
export interface VllmWish {
  model: string;
  gpu: string | undefined;
  /** GB; `undefined`: as the catalog counts. */
  minVramGb: number | undefined;
  maxModelLen: number;
}

/**
 * Room for the model, by the catalog where it knows it, otherwise by what was asked for. Pure, and asked before anything
 * is rented.
 * @throws CloreError `vllm.unknown-size`, `catalog.model-does-not-fit` with the GB that are missing and the classes that
 * fit, `catalog.no-class-fits`, `catalog.unknown-gpu`
 */
export function vllmRoom({ model: id, gpu, minVramGb, maxModelLen }: VllmWish, catalog: Catalog): ModelRoom {
  const found = findModel(id, catalog);
  const model = found?.runtime === "vllm" ? found : undefined;
  if (minVramGb !== undefined) {
    const weightsGb = model ? model.downloadBytes / 1e9 : minVramGb;
    return {
      ...classesFor({ tag: id, runtime: "vllm" }, minVramGb, { gpu }, catalog),
      ...sizesFor("vllm", weightsGb),
    };
  }
  if (model) return roomForModels([model], { gpu }, catalog, { contextTokens: maxModelLen });
  throw new CloreError("vllm.unknown-size", {
    message: `the catalog does not know how much VRAM ${id} needs`,
    seen: `it knows ${known(catalog)}`,
    hint: "say it with minVramGb: the weights' GB (2 per billion parameters in bf16), a tenth more, and 1 to 2 GB for the context",
  });
}

function known(catalog: Catalog): string {
  return catalog.models
    .filter(({ runtime }) => runtime === "vllm")
    .map(({ tag }) => tag)
    .join(", ");
}
