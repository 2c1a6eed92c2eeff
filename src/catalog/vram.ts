import type { Model } from "./schema.ts";

/** How a model is to be run. */
export interface LoadOptions {
  /** Tokens of context per request. @default 4096, Ollama's own default */
  contextTokens?: number;
  /** Requests answered at the same time, each with its own context. @default 1 */
  parallel?: number;
}

/** What a model takes of VRAM, in GB (10^9 bytes). */
export interface VramNeed {
  weightsGb: number;
  cacheGb: number;
  overheadGb: number;
  totalGb: number;
}

/** CUDA context and compute buffers. An estimate on the safe side; a card's nominal GB are GiB, which leaves 7 % more. */
const overheadGb = 1;
/** vLLM takes this share of a card unless told otherwise (`--gpu-memory-utilization`). */
const vllmShare = 0.9;

/**
 * VRAM that the model needs when loaded:
 * `weights + cache + 1 GB`, for vLLM divided by 0.9, where
 * `cache = 2 (key, value) × heads × headDim × 2 bytes (f16) × parallel × (layers × context + windowLayers × min(context, window))`.
 * Weights are taken as large as the download. An API model needs none.
 * @example vramNeeded(gemma27b, { contextTokens: 8192, parallel: 2 }).totalGb
 */
export function vramNeeded(model: Model, options: LoadOptions = {}): VramNeed {
  if (model.runtime === "api") return { weightsGb: 0, cacheGb: 0, overheadGb: 0, totalGb: 0 };
  const { contextTokens = 4096, parallel = 1 } = options;
  const { kv } = model;
  const tokens = kv.layers * contextTokens + kv.windowLayers * Math.min(contextTokens, kv.windowTokens);
  const cacheGb = (2 * kv.heads * kv.headDim * 2 * parallel * tokens) / 1e9;
  const weightsGb = model.downloadBytes / 1e9;
  const sum = weightsGb + cacheGb + overheadGb;
  return { weightsGb, cacheGb, overheadGb, totalGb: model.runtime === "vllm" ? sum / vllmShare : sum };
}
