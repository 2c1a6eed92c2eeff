import { CloreError } from "../core/errors.ts";
import { nearest, ownFileHint } from "./nearest.ts";
import type { CapturedRent, Catalog, Gpu } from "./schema.ts";

/**
 * What makes two spellings the same class: case, spaces, hyphens and the maker's words do not count, everything else does.
 * @example gpuKey("NVIDIA GeForce RTX 4090 D") // "rtx4090d", not gpuKey("RTX 4090")
 */
export function gpuKey(name: string): string {
  return name
    .toLowerCase()
    .replace(/\b(nvidia|geforce|gpu)\b/g, "")
    .replace(/[^a-z0-9]/g, "");
}

/** The class of this name or alias; `undefined` when the catalog does not know it. */
export function findGpu(name: string, catalog: Catalog): Gpu | undefined {
  const key = gpuKey(name);
  return catalog.gpus.find((gpu) => gpuKey(gpu.name) === key || gpu.aliases.some((a) => gpuKey(a) === key));
}

/** Like `findGpu`. @throws catalog.unknown-gpu with the nearest names */
export function requireGpu(name: string, catalog: Catalog): Gpu {
  const gpu = findGpu(name, catalog);
  if (gpu) return gpu;
  throw new CloreError("catalog.unknown-gpu", {
    message: `no GPU class is called "${name}"`,
    hint: `nearest: ${nearestGpus(name, catalog).join(", ")}; ${ownFileHint}`,
  });
}

/** The classes that are meant where one or any of several may be named; none: nothing is said. */
export function gpuNames(gpu: string | readonly string[] | undefined): readonly string[] {
  return gpu === undefined ? [] : typeof gpu === "string" ? [gpu] : gpu;
}

/** "RTX 3060", "RTX 3060 or RTX 3080", "one of 34 GPU classes". */
export function describeClasses(names: readonly string[]): string {
  if (names.length > 3) return `one of ${names.length} GPU classes`;
  return new Intl.ListFormat("en", { type: "disjunction" }).format(names).replace(/, or /, " or ");
}

/** Up to three class names that look most like `name`. */
export function nearestGpus(name: string, catalog: Catalog): string[] {
  return nearest(
    name,
    catalog.gpus.map((gpu) => gpu.name),
    gpuKey,
  );
}

/**
 * One key per class, whatever the spelling, for many names at once: names of the catalog map to their class,
 * unknown ones to themselves. Looked-up names are kept, since a market repeats few names thousands of times.
 */
export function gpuMatcher(catalog: Catalog): (name: string) => string {
  const classes = new Map<string, string>();
  for (const gpu of catalog.gpus) {
    for (const name of [gpu.name, ...gpu.aliases]) classes.set(gpuKey(name), gpuKey(gpu.name));
  }
  const seen = new Map<string, string>();
  return (name) => {
    const known = seen.get(name);
    if (known !== undefined) return known;
    const key = gpuKey(name);
    const found = classes.get(key) ?? key;
    seen.set(name, found);
    return found;
  };
}

/** Captured prices of a class, for that many GPUs. `undefined`: never captured, and never guessed. */
export function capturedRent(gpu: string, gpuCount: number, catalog: Catalog): CapturedRent | undefined {
  const key = gpuKey(findGpu(gpu, catalog)?.name ?? gpu);
  return catalog.prices.rents.find((rent) => gpuKey(rent.gpu) === key && rent.gpuCount === gpuCount);
}
