import { z } from "zod";

/** Schemas of the catalog's files. Strict: a misspelt key in a user's file is a mistake, not a wish. */

const positive = z.number().positive();
const source = z.string().min(1);

const gpu = z.strictObject({
  name: z.string().min(1),
  aliases: z.array(z.string().min(1)).default([]),
  laptop: z.boolean().default(false),
  mining: z.boolean().default(false),
  bf16: z.boolean().default(true),
  variants: z.array(z.strictObject({ vramGb: positive, bandwidthGBps: positive })).min(1),
  source,
});

const kv = z.strictObject({
  layers: z.int().positive(),
  windowLayers: z.int().nonnegative().default(0),
  windowTokens: z.int().nonnegative().default(0),
  heads: z.int().positive(),
  headDim: z.int().positive(),
});

const measured = z.strictObject({ gpu: z.string().min(1), tokensPerSecond: positive, source });
const shared = {
  tag: z.string().min(1),
  names: z.array(z.string().min(1)).default([]),
  source,
  /** `sha256:…` of the manifest, where it is known. */
  digest: z
    .string()
    .regex(/^sha256:[0-9a-f]{64}$/, "write sha256: and 64 hex digits")
    .optional(),
};

const hostedModel = z.strictObject({
  ...shared,
  runtime: z.enum(["ollama", "vllm"]),
  parametersB: positive,
  activeParametersB: positive.optional(),
  downloadBytes: positive,
  kv,
  measured: z.array(measured).default([]),
});
const apiModel = z.strictObject({ ...shared, runtime: z.literal("api") });

const day = z.string().regex(/^\d{4}-\d{2}-\d{2}$/, "write the day as YYYY-MM-DD");
const rent = z.strictObject({
  gpu: z.string().min(1),
  gpuCount: z.int().positive(),
  servers: z.int().positive(),
  min: positive,
  p25: positive,
  median: positive,
  p75: positive,
  max: positive,
  captured: day,
});
const guidePrice = z.strictObject({ gpu: z.string().min(1), usdPerHour: positive });

export const catalogFile = z.strictObject({
  gpus: z.array(gpu).default([]),
  models: z.array(z.discriminatedUnion("runtime", [hostedModel, apiModel])).default([]),
  tagsWithoutFigures: z.array(z.string()).default([]),
  prices: z
    .strictObject({ rents: z.array(rent).default([]), guide: z.array(guidePrice).default([]) })
    .default({ rents: [], guide: [] }),
});

/** A GPU class; `variants` has one entry per memory size sold under the name, bandwidth in GB/s. */
export type Gpu = z.infer<typeof gpu>;
/** A model whose weights run on the rented server. */
export type HostedModel = z.infer<typeof hostedModel>;
/** A hosted model, or one that is only called over an API (no weights, no VRAM). */
export type Model = HostedModel | z.infer<typeof apiModel>;
/** Captured on-demand prices of one GPU class and count, USD per day. */
export type CapturedRent = z.infer<typeof rent>;
export type GuidePrice = z.infer<typeof guidePrice>;
/** What is known of GPUs, models and prices: the built-in files and the user's. */
export type Catalog = z.infer<typeof catalogFile>;
