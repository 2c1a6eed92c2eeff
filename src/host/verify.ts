import { describeClasses, gpuNames } from "../catalog/gpus.ts";
import { CloreError } from "../core/errors.ts";
import type { HostFacts } from "./types.ts";

/** What an offer said, or a user asked for. What is not named is not checked. */
export interface Promised {
  /** As the marketplace writes it: `RTX 4090`. Of a list any will do. */
  gpuModel?: string | readonly string[];
  /** At least so many GPUs of these models (or of any). */
  gpuCount?: number;
  /** Each GPU, in GB. */
  minVramGb?: number;
  ramGb?: number;
  /** Size of the file system that holds our folder, in GB. */
  diskGb?: number;
}

/**
 * How much less than promised is still right. VRAM: ECC and the driver take up to 6.3 % (a "16 GB" T4 shows 15.0,
 * a "24 GB" L4 22.5), the next real size below is at least 9 % away (10 for 11). RAM and disk: GB or GiB, and what
 * the kernel and the file system keep for themselves.
 */
const TOLERANCE = { vram: 0.08, ram: 0.1, disk: 0.1 };

/**
 * Everything in which a host is not what was promised, gravest first; none: it is right. Pure.
 * Codes: `host.no-gpu`, `host.wrong-gpu`, `host.too-little-vram`, `host.too-little-ram`, `host.too-little-disk`.
 * More than promised is fine. The words of a GPU's model must be the same: see {@link sameGpu}.
 */
export function verifyHost(promised: Promised, facts: HostFacts): readonly CloreError[] {
  return [...gpuProblems(promised, facts), ...sizeProblems(promised, facts)];
}

/**
 * Whether two names mean the same GPU. Vendor words, memory sizes and letter case do not count; `D`, `Ti`, `SUPER`,
 * `Laptop`, `Max-Q` and the like do. A form factor (SXM, PCIe) counts only when both name one.
 * @example sameGpu("RTX 3090", "NVIDIA GeForce RTX 3090") // true; sameGpu("RTX 4090", "NVIDIA GeForce RTX 4090 D") // false
 */
export function sameGpu(one: string, other: string): boolean {
  const a = gpuWords(one);
  const b = gpuWords(other);
  return a.model === b.model && (a.form === "" || b.form === "" || a.form === b.form);
}

function gpuWords(name: string): { model: string; form: string } {
  const words = name
    .toUpperCase()
    .replace(/\bMAX-Q\b/g, "MAXQ")
    .replace(/\bPCI-E\b/g, "PCIE")
    .replace(/(\d{3,4})(TI|SUPER|D)\b/g, "$1 $2")
    .split(/[^A-Z0-9]+/)
    .filter((word) => word !== "" && !/^(NVIDIA|GEFORCE|TESLA|QUADRO|GPU|GRAPHICS|\d+X|\d+GB)$/.test(word));
  const isForm = (word: string) => /^(SXM\d?|PCIE|NVL)$/.test(word);
  return { model: words.filter((word) => !isForm(word)).join(" "), form: words.find(isForm) ?? "" };
}

function gpuProblems(promised: Promised, facts: HostFacts): CloreError[] {
  const { gpuModel, minVramGb } = promised;
  const count = promised.gpuCount ?? (gpuModel !== undefined || (minVramGb ?? 0) > 0 ? 1 : 0);
  if (count === 0) return [];
  const seen = listGpus(facts);
  const names = gpuNames(gpuModel);
  const wanted = gpuModel === undefined ? undefined : describeClasses(names);
  if (facts.gpus.length === 0) {
    const message = `the host shows no GPU, ${count} × ${wanted ?? "any"} promised`;
    return [problem("host.no-gpu", message, "nvidia-smi is missing, fails or lists none")];
  }
  const right = facts.gpus.filter(
    (gpu) => gpuModel === undefined || names.some((name) => sameGpu(name, gpu.name)),
  );
  if (right.length < count) {
    return [
      problem("host.wrong-gpu", `${count} × ${wanted ?? "GPU"} promised, the host has ${right.length}`, seen),
    ];
  }
  const least = (minVramGb ?? 0) * (1 - TOLERANCE.vram);
  if (right.filter((gpu) => gpu.vramGb >= least).length < count) {
    return [
      problem("host.too-little-vram", `${minVramGb} GB of VRAM a GPU promised, the host has less`, seen),
    ];
  }
  return [];
}

function sizeProblems(promised: Promised, facts: HostFacts): CloreError[] {
  const problems: CloreError[] = [];
  if (promised.ramGb !== undefined && facts.ramGb < promised.ramGb * (1 - TOLERANCE.ram)) {
    const message = `${promised.ramGb} GB of RAM promised, the host has less`;
    problems.push(problem("host.too-little-ram", message, `${facts.ramGb} GB`));
  }
  if (promised.diskGb !== undefined && facts.disk.totalGb < promised.diskGb * (1 - TOLERANCE.disk)) {
    const message = `${promised.diskGb} GB of disk promised, the host has less`;
    problems.push(
      problem("host.too-little-disk", message, `${facts.disk.totalGb} GB, ${facts.disk.freeGb} GB free`),
    );
  }
  return problems;
}

function listGpus(facts: HostFacts): string {
  return facts.gpus.map((gpu) => `${gpu.name} (${gpu.vramGb} GB)`).join(", ");
}

function problem(code: string, message: string, seen: string): CloreError {
  return new CloreError(code, {
    message,
    seen,
    hint: "the host is not what it was offered as: take another one",
  });
}
