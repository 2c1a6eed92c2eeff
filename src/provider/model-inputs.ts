import { z } from "zod";
import { configuredCatalog } from "../catalog/load.ts";
import { findModel, nearestModels } from "../catalog/models.ts";
import { ownFileHint } from "../catalog/nearest.ts";
import type { Catalog } from "../catalog/schema.ts";
import { CloreError, type InputProblem } from "../core/errors.ts";
import { parseHours } from "../cost/duration.ts";
import { modelReference } from "../host/ollama/reference.ts";
import { connectionSchema } from "./connection.ts";

/** A Model's inputs as users write them; resources/model.ts has the meaning of each. */
export const modelInputs = z.strictObject({
  connection: connectionSchema,
  tag: z.string({ error: "should be a model tag such as gemma3:4b" }).min(1),
  port: z.int().min(1).max(65535).default(11434),
  digest: z
    .string()
    .regex(/^sha256:[0-9a-f]{64}$/, { error: "should be sha256: and 64 hex digits" })
    .optional(),
  registry: z
    .url({ protocol: /^https?$/, error: "should be https://host or http://host:port" })
    .refine((text) => new URL(text).pathname === "/", { error: "should have no path: https://host" })
    .optional(),
  contextLength: z.int().min(256).max(10_000_000).optional(),
  parallel: z.int().min(1).max(1024).optional(),
  minVramShare: z.number().min(0).max(1, { error: "should be 0 to 1: 0.9, not 90" }).optional(),
  minTokensPerSecond: z.number().min(0).optional(),
  maxTimeToReady: z
    .string()
    .refine((text) => parseHours(text) !== undefined, { error: 'should be a duration such as "45m" or "2h"' })
    .default("60m"),
  triggers: z.array(z.unknown()).optional(),
});
export type ModelInputs = z.infer<typeof modelInputs>;

/** Tags that cannot be right are refused before a cent is spent. */
export function modelRules({ tag, registry }: Partial<ModelInputs>): InputProblem[] {
  if (tag === undefined) return [];
  try {
    modelReference(tag, registry);
  } catch (error) {
    if (!(error instanceof CloreError)) throw error;
    return [{ path: "tag", problem: `${error.message}; ${error.hint}` }];
  }
  const problem = registry === undefined ? unknownTagProblem(tag, configuredCatalog()) : undefined;
  return problem === undefined ? [] : [{ path: "tag", problem }];
}

/**
 * Families of the catalog are known with all their sizes: "qwen3.5:7b" does not exist. Of other families, and of
 * special builds ("gemma3:4b-it-q8_0"), nothing is known here: the registry will tell. Pure.
 */
export function unknownTagProblem(tag: string, catalog: Catalog): string | undefined {
  const model = findModel(tag, catalog);
  if (model) {
    return model.runtime === "ollama" ? undefined : `${tag} does not run in Ollama (${model.runtime})`;
  }
  const [family, size = ""] = tag.trim().toLowerCase().split(":");
  const known = [...catalog.models.map((one) => one.tag), ...catalog.tagsWithoutFigures];
  if (known.includes(tag.trim().toLowerCase())) return undefined;
  if (!/^\d+(\.\d+)?b$/.test(size) || !known.some((one) => one.startsWith(`${family}:`))) return undefined;
  return `there is no model "${tag}"; nearest: ${nearestModels(tag, catalog).join(", ")}; ${ownFileHint}`;
}
