import { CloreError } from "../core/errors.ts";
import { editDistance, ownFileHint } from "./nearest.ts";
import type { Catalog, Model } from "./schema.ts";

/**
 * The model of this tag, or of a name that people use for it ("Gemma 3 4B").
 * @throws catalog.unknown-model with the nearest real tags; catalog.no-figures for a tag that exists but cannot be sized
 * @example requireModel("gemma3:4b", loadCatalog())
 */
export function requireModel(tag: string, catalog: Catalog): Model {
  const model = findModel(tag, catalog);
  if (model) return model;
  if (catalog.tagsWithoutFigures.includes(tag.trim().toLowerCase())) {
    throw new CloreError("catalog.no-figures", {
      message: `the model ${tag} exists, but its size is not in the catalog`,
      hint: "add it with downloadBytes and kv in a catalog file of your own, named by CLORE_CATALOG",
    });
  }
  throw new CloreError("catalog.unknown-model", {
    message: `there is no model "${tag}"`,
    hint: `nearest: ${nearestModels(tag, catalog).join(", ")}; ${ownFileHint}`,
  });
}

/** Like `requireModel`, without the error. */
export function findModel(tag: string, catalog: Catalog): Model | undefined {
  const exact = tag.trim().toLowerCase();
  const byTag = catalog.models.find((model) => model.tag.toLowerCase() === exact);
  // Written as a tag it must be one: squeezed like a name, "gemma:34b" would become gemma3:4b.
  if (byTag || /[:/]/.test(exact)) return byTag;
  const key = squeeze(exact);
  return catalog.models.find((model) => [model.tag, ...model.names].some((name) => squeeze(name) === key));
}

/**
 * The real tags nearest to a wrong one: same family with the next size, same size in the nearest family.
 * @example nearestModels("qwen3.5:7b", catalog) // ["qwen3.5:9b", "qwen2.5:7b"]
 */
export function nearestModels(tag: string, catalog: Catalog): string[] {
  const wanted = parts(tag);
  // Without a size every size of the family is equally near.
  const limit = wanted.size === undefined ? 4 : 2;
  return catalog.models
    .map((model) => ({ tag: model.tag, far: far(wanted, parts(model.tag)) }))
    .toSorted((a, b) => a.far - b.far || a.tag.localeCompare(b.tag))
    .slice(0, limit)
    .map((m) => m.tag);
}

const squeeze = (name: string) => name.toLowerCase().replace(/[^a-z0-9.]/g, "");

/** Family and billions of parameters, as far as the tag tells. */
function parts(tag: string): { family: string; size: number | undefined } {
  const match = /^(.*?)[\s:_-]*(\d+(?:\.\d+)?)\s*b(?![a-z])/i.exec(tag.trim());
  return match
    ? { family: squeeze(match[1]!), size: Number(match[2]) }
    : { family: squeeze(tag), size: undefined };
}

/** A letter of the family weighs like a third of the size: 7 b to 9 b is nearer than qwen3.5 to qwen2.5. */
function far(a: ReturnType<typeof parts>, b: ReturnType<typeof parts>): number {
  const size = a.size && b.size ? Math.abs(Math.log(a.size / b.size)) : 0;
  return 0.3 * editDistance(a.family, b.family) + size;
}
