import { requireModel } from "../catalog/models.ts";
import type { Catalog, HostedModel } from "../catalog/schema.ts";
import { CloreError } from "../core/errors.ts";
import { type ModelRoom, roomForModels } from "../market/for-model.ts";

/** What has to fit on one server. */
export interface OllamaWish {
  tags: readonly string[];
  gpu: string | undefined;
  gpuCount: number | undefined;
  contextTokens: number | undefined;
  parallel: number | undefined;
}

/**
 * Room for all the models at once. Without a GPU all classes that hold them will do. Pure, and asked before anything is
 * rented.
 * @throws CloreError `catalog.unknown-model` with the nearest tags, `catalog.model-does-not-fit` with the GB that are
 * missing and the classes that fit, `catalog.no-class-fits`, `catalog.unknown-gpu`
 */
export function roomFor(wish: OllamaWish, catalog: Catalog): ModelRoom {
  const [first, ...others] = wish.tags.map((tag) => hosted(tag, catalog));
  if (!first) throw new CloreError("catalog.unknown-model", { message: "no model is named" });
  const { gpu, gpuCount, contextTokens, parallel } = wish;
  return roomForModels([first, ...others], { gpu, gpuCount }, catalog, { contextTokens, parallel });
}

function hosted(tag: string, catalog: Catalog): HostedModel {
  const model = requireModel(tag, catalog);
  if (model.runtime === "ollama") return model;
  throw new CloreError("catalog.not-ollama", {
    message: `${tag} does not run in Ollama (${model.runtime})`,
    hint: model.runtime === "api" ? "GeminiProxy serves it" : "take the model's Ollama tag",
  });
}
