import { CloreError } from "../../core/errors.ts";
import type { InstalledModel } from "./client.ts";
import type { RegistryModel } from "./manifest.ts";
import { formatBytes } from "./progress.ts";

/** What is wanted of a model, as far as its data goes. */
export interface WantedData {
  tag: string;
  /** Only this digest will do. */
  digest: string | undefined;
  /** What it was when it was last verified. */
  knownDigest: string | undefined;
}

export interface SeenData {
  installed: readonly InstalledModel[];
  /** `undefined`: the registry could not be asked. */
  registry: RegistryModel | undefined;
  /** `undefined`: unknown. */
  freeBytes: number | undefined;
  /** What an interrupted pull left: it need not be loaded again. */
  partialBytes: number;
  /** The catalog's figure, where the registry could not be asked. */
  catalogBytes: number | undefined;
}

/**
 * Whether a model is to be pulled, and why. Pure; refuses before a byte is loaded.
 * @throws CloreError `model.wrong-digest`, `model.no-space`
 */
export function decideData(want: WantedData, seen: SeenData): { pull: boolean; because: string } {
  const there = seen.installed.find(({ tag }) => tag === want.tag);
  if (there && want.digest !== undefined && there.digest === want.digest)
    return { pull: false, because: "it is there, with the digest asked for" };
  if (there && want.digest === undefined) {
    if (want.knownDigest === undefined || there.digest === want.knownDigest)
      return { pull: false, because: "it is there" };
    if (there.digest === seen.registry?.digest)
      return { pull: false, because: "it is there, newer than recorded and as the registry has it" };
  }
  if (want.digest !== undefined && seen.registry && seen.registry.digest !== want.digest) {
    throw wrongDigest(want.tag, want.digest, `the registry has ${seen.registry.digest}`);
  }
  const bytes = seen.registry?.sizeBytes ?? seen.catalogBytes;
  const needed = Math.max(0, (bytes ?? 0) - seen.partialBytes);
  if (seen.freeBytes !== undefined && needed > seen.freeBytes) {
    throw new CloreError("model.no-space", {
      message: `${want.tag} needs ${formatBytes(needed)} of disk and the host has ${formatBytes(seen.freeBytes)}`,
      hint: "free space on the host, or take one with a bigger disk (minDiskGb)",
    });
  }
  return { pull: true, because: there ? "its digest is not the one expected" : "it is not on the server" };
}

export function wrongDigest(tag: string, wanted: string, seen: string): CloreError {
  return new CloreError("model.wrong-digest", {
    message: `${tag} has not the digest ${wanted}`,
    seen,
    hint: "the tag was published anew: take its new digest over once you trust it, or leave digest out",
  });
}
