import { describe, expect, test } from "vitest";
import { type Promised, sameGpu, verifyHost } from "../../src/host/verify.ts";
import { rental } from "./support.ts";

describe("names of GPUs", () => {
  test.each([
    ["RTX 3090", "NVIDIA GeForce RTX 3090", true],
    [" RTX 3090", "nvidia geforce rtx 3090", true],
    ["1x NVIDIA GeForce RTX 3090", "NVIDIA GeForce RTX 3090", true],
    ["RTX 4090", "NVIDIA GeForce RTX 4090 D", false],
    ["RTX 4090 D", "NVIDIA GeForce RTX 4090 D", true],
    ["RTX 3060", "NVIDIA GeForce RTX 3060 Ti", false],
    ["RTX 3060Ti", "NVIDIA GeForce RTX 3060 Ti", true],
    ["RTX 4070 SUPER", "NVIDIA GeForce RTX 4070 Ti SUPER", false],
    ["RTX 3080", "NVIDIA GeForce RTX 3080 Laptop GPU", false],
    ["RTX 2070", "NVIDIA GeForce RTX 2070 with Max-Q Design", false],
    ["A100", "NVIDIA A100-SXM4-80GB", true],
    ["A100 PCIe", "NVIDIA A100-SXM4-80GB", false],
    ["A100", "NVIDIA A10", false],
    ["H100", "NVIDIA H100 PCIe", true],
    ["Tesla T4", "Tesla T4", true],
    ["RTX A6000", "NVIDIA RTX 6000 Ada Generation", false],
    ["RTX 5090", "NVIDIA GeForce RTX 5090D", false],
  ])("%s is %s: %s", (promised, seen, same) => {
    expect(sameGpu(promised, seen)).toBe(same);
  });
});

describe("promised and seen", () => {
  const gpu = (name: string, vramGb: number) => ({ name, vramGb, driver: undefined });
  const r4090 = gpu("NVIDIA GeForce RTX 4090", 24);
  test.each<{ name: string; promised: Promised; facts?: Partial<typeof rental>; codes: string[] }>([
    {
      name: "right",
      promised: { gpuModel: "RTX 3060", gpuCount: 1, minVramGb: 12, ramGb: 64, diskGb: 100 },
      codes: [],
    },
    { name: "nothing promised", promised: {}, facts: { gpus: [] }, codes: [] },
    { name: "no GPU", promised: { gpuModel: "RTX 3060" }, facts: { gpus: [] }, codes: ["host.no-gpu"] },
    {
      name: "any GPU of a size, none there",
      promised: { minVramGb: 8 },
      facts: { gpus: [] },
      codes: ["host.no-gpu"],
    },
    { name: "wrong GPU", promised: { gpuModel: "RTX 4090" }, codes: ["host.wrong-gpu"] },
    {
      name: "4090 D for a 4090",
      promised: { gpuModel: "RTX 4090" },
      facts: { gpus: [gpu("NVIDIA GeForce RTX 4090 D", 24)] },
      codes: ["host.wrong-gpu"],
    },
    {
      name: "one of the classes that would do",
      promised: { gpuModel: ["RTX 3090", "RTX 4090"] },
      facts: { gpus: [r4090] },
      codes: [],
    },
    {
      name: "none of the classes that would do",
      promised: { gpuModel: ["RTX 3090", "RTX 4080"] },
      facts: { gpus: [r4090] },
      codes: ["host.wrong-gpu"],
    },
    {
      name: "one of two",
      promised: { gpuModel: "RTX 4090", gpuCount: 2 },
      facts: { gpus: [r4090] },
      codes: ["host.wrong-gpu"],
    },
    {
      name: "two of two",
      promised: { gpuModel: "RTX 4090", gpuCount: 2, minVramGb: 24 },
      facts: { gpus: [r4090, r4090] },
      codes: [],
    },
    {
      name: "one more than promised",
      promised: { gpuModel: "RTX 4090", gpuCount: 1 },
      facts: { gpus: [r4090, r4090] },
      codes: [],
    },
    {
      name: "a 3060 with 8 GB",
      promised: { gpuModel: "RTX 3060", minVramGb: 12 },
      facts: { gpus: [gpu("NVIDIA GeForce RTX 3060", 8)] },
      codes: ["host.too-little-vram"],
    },
    {
      name: "11 GB for 12",
      promised: { minVramGb: 12 },
      facts: { gpus: [gpu("NVIDIA GeForce RTX 2080 Ti", 11)] },
      codes: ["host.too-little-vram"],
    },
    {
      name: "an L4 with ECC",
      promised: { gpuModel: "L4", minVramGb: 24 },
      facts: { gpus: [gpu("NVIDIA L4", 22.5)] },
      codes: [],
    },
    { name: "RAM within a tenth", promised: { ramGb: 69 }, codes: [] },
    {
      name: "too little of both",
      promised: { ramGb: 128, diskGb: 200 },
      codes: ["host.too-little-ram", "host.too-little-disk"],
    },
  ])("$name", ({ promised, facts, codes }) => {
    expect(verifyHost(promised, { ...rental, ...facts }).map((error) => error.code)).toEqual(codes);
  });
});
