import { gpuKey } from "./gpus.ts";
import type { Gpu, Model } from "./schema.ts";

/** Tokens per second of one request, and where the figure is from. */
export interface ExpectedSpeed {
  tokensPerSecond: number;
  /** `stated`: somebody's figure for this very pair; `bandwidth`: derived. */
  basis: "stated" | "bandwidth";
  source: string;
}

/**
 * A token costs a fixed time and the reading of all (active) weights once. Both constants are fitted to the guide's
 * three Gemma 3 figures for an RTX 4090 (95, 55 and 32 tok/s), which they give back within 3 %.
 * Of its two 7 B figures, which had no part in the fit, they give the one for an RTX 4090 (79 for 78) and miss the one for
 * an RTX 3080 (67 for 45): other cards than the 4090 may be that far off.
 */
const fixedSeconds = 0.0055;
const bandwidthShare = 1 / 1.525;

/**
 * What one request should get: a stated figure where there is one, otherwise
 * `1 / (0.0055 s + bytes read per token / (0.656 × bandwidth))`; with experts only the active share is read.
 * @param vramGb picks the variant of the class; the slowest one otherwise
 * @returns `undefined` for an API model: its speed is not the GPU's
 */
export function expectedSpeed(model: Model, gpu: Gpu, vramGb?: number): ExpectedSpeed | undefined {
  if (model.runtime === "api") return undefined;
  const stated = model.measured.find((m) => gpuKey(m.gpu) === gpuKey(gpu.name));
  if (stated) return { tokensPerSecond: stated.tokensPerSecond, basis: "stated", source: stated.source };
  const bytes = model.downloadBytes * ((model.activeParametersB ?? model.parametersB) / model.parametersB);
  const bandwidth = bandwidthOf(gpu, vramGb);
  const seconds = fixedSeconds + bytes / (bandwidthShare * bandwidth * 1e9);
  return {
    tokensPerSecond: 1 / seconds,
    basis: "bandwidth",
    source: `derived from ${bandwidth} GB/s (${gpu.source})`,
  };
}

function bandwidthOf(gpu: Gpu, vramGb: number | undefined): number {
  const exact = gpu.variants.find((v) => vramGb !== undefined && Math.abs(v.vramGb - vramGb) < 1);
  return exact?.bandwidthGBps ?? Math.min(...gpu.variants.map((v) => v.bandwidthGBps));
}
