import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Marketplace } from "./marketplace.ts";

/** Whether a stack serves models of its own: its configuration names one. */
export function servesModels(stack: string): boolean {
  const file = fileURLToPath(new URL(`../../stacks/Pulumi.${stack}.yaml`, import.meta.url));
  return /^\s*pulumi-clore:model:/m.test(readFileSync(file, "utf8"));
}

/** What such a stack needs beside its own configuration to run behind the local marketplace. */
export async function ollamaConfig(
  marketplace: Pick<Marketplace, "machines" | "modelsUrlFromMachines">,
  freePort: (wanted: number) => Promise<number>,
): Promise<Record<string, unknown>> {
  return {
    registry: marketplace.modelsUrlFromMachines,
    // These machines only say that they have a GPU: a real Ollama runs a tiny model on the CPU.
    minVramShare: 0,
    minTokensPerSecond: 0,
    // The sandbox has no image, and its Docker daemon would be yours; a container has what its order asks for.
    ...(marketplace.machines === "sandbox"
      ? { mode: "native", publicPort: await freePort(8080), ollamaPort: await freePort(11434) }
      : {}),
  };
}
