import { requireFit, smallestClassFor } from "../catalog/fit.ts";
import { findModel, requireModel } from "../catalog/models.ts";
import type { Catalog, HostedModel } from "../catalog/schema.ts";
import { vramNeeded } from "../catalog/vram.ts";
import { CloreError } from "../core/errors.ts";

/** What has to fit on one server. */
export interface OllamaWish {
  tags: readonly string[];
  gpu: string | undefined;
  gpuCount: number | undefined;
  contextTokens: number | undefined;
  parallel: number | undefined;
}

/** What to ask the marketplace for. */
export interface OllamaRoom {
  gpu: string;
  /** GB per GPU. */
  minVramGb: number;
  minDiskGb: number;
  /** What has to be downloaded, Ollama included. */
  loadGb: number;
  /** Why this class, for people. */
  because: string;
}

/** Beside the models: Ollama with its parts for GPUs, unpacked beside its archive. */
const diskBesideModelsGb = 12;
/** The official archive. */
const ollamaGb = 1.4;

/**
 * Room for all the models at once. Without a GPU the cheapest class that holds them. Pure, and asked before anything is
 * rented.
 * @throws CloreError `catalog.unknown-model` with the nearest tags, `catalog.model-does-not-fit` with the GB that are
 * missing and the classes that fit, `catalog.no-class-fits`, `catalog.unknown-gpu`
 */
export function roomFor(wish: OllamaWish, catalog: Catalog): OllamaRoom {
  const models = wish.tags.map((tag) => hosted(tag, catalog));
  const options = { contextTokens: wish.contextTokens, parallel: wish.parallel };
  const together = asOne(models);
  const modelsGb = models.reduce((sum, { downloadBytes }) => sum + downloadBytes, 0) / 1e9;
  const sizes = {
    minDiskGb: Math.ceil(modelsGb) + diskBesideModelsGb,
    loadGb: Math.round((modelsGb + ollamaGb) * 10) / 10,
  };
  if (wish.gpu !== undefined) {
    const fit = requireFit(together, { gpu: wish.gpu, gpuCount: wish.gpuCount }, catalog, options);
    return { gpu: wish.gpu, minVramGb: fit.minVramGb!, ...sizes, because: `${wish.gpu} was asked for` };
  }
  const choice = smallestClassFor(together, catalog, options);
  if (!choice) {
    throw new CloreError("catalog.no-class-fits", {
      message: `${together.tag} needs ${vramNeeded(together, options).totalGb.toFixed(1)} GB of VRAM, more than any single GPU of the catalog has`,
      hint: "name a gpu with a gpuCount, or take a smaller model, contextLength or parallel",
    });
  }
  return { gpu: choice.gpu, minVramGb: choice.vramGb, ...sizes, because: choice.basis };
}

function hosted(tag: string, catalog: Catalog): HostedModel {
  const model = requireModel(tag, catalog);
  if (model.runtime === "ollama") return model;
  throw new CloreError("catalog.not-ollama", {
    message: `${tag} does not run in Ollama (${model.runtime})`,
    hint: model.runtime === "api" ? "GeminiProxy serves it" : "take the model's Ollama tag",
  });
}

/** Several models loaded side by side, as one that needs what they need together. */
function asOne(models: readonly HostedModel[]): HostedModel {
  const [first, ...others] = models;
  if (!first) throw new CloreError("catalog.unknown-model", { message: "no model is named" });
  if (others.length === 0) return first;
  const rest = others.map((model) => vramNeeded(model).totalGb).reduce((sum, gb) => sum + gb, 0);
  return {
    ...first,
    tag: models.map(({ tag }) => tag).join(" + "),
    downloadBytes: first.downloadBytes + rest * 1e9,
  };
}

/** Whether the catalog knows the model's size. */
export function isSized(tag: string, catalog: Catalog): boolean {
  const model = findModel(tag, catalog);
  return model !== undefined && model.runtime === "ollama";
}
