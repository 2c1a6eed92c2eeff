import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { classesHolding, fitModel, requireFit } from "../../src/catalog/fit.ts";
import { requireGpu } from "../../src/catalog/gpus.ts";
import { loadCatalog } from "../../src/catalog/load.ts";
import { nearestModels, requireModel } from "../../src/catalog/models.ts";
import { expectedSpeed } from "../../src/catalog/speed.ts";
import { vramNeeded } from "../../src/catalog/vram.ts";

const catalog = loadCatalog();
const model = (tag: string) => requireModel(tag, catalog);

describe("tags", () => {
  test.each(["qwen3.5:7b", "Qwen3.5 7B"])("%s does not exist: the nearest real tags are named", (tag) => {
    expect(() => model(tag)).toThrow(
      expect.objectContaining({
        code: "catalog.unknown-model",
        hint: expect.stringContaining("nearest: qwen3.5:9b, qwen2.5:7b;"),
      }),
    );
  });

  test.each([
    ["gemma:4b", "gemma3:4b"],
    ["gemma3:8b", "gemma3:12b"],
    ["qwen3.5:8b", "qwen3.5:9b"],
    ["gemma3:27", "gemma3:27b"],
  ])("nearest to %s is %s", (tag, nearest) => {
    expect(nearestModels(tag, catalog)).toContain(nearest);
  });

  test.each([
    ["Gemma 3 4B", "gemma3:4b"],
    ["GEMMA3:27B", "gemma3:27b"],
    ["Gemini 3.1 Flash-Lite", "gemini-3.1-flash-lite"],
    ["qwen/qwen2.5-7b-instruct", "Qwen/Qwen2.5-7B-Instruct"],
  ])("%s is taken for %s", (name, tag) => {
    expect(model(name).tag).toBe(tag);
  });

  test("a tag is not taken for another that is spelt with the same letters", () => {
    expect(() => model("gemma:34b")).toThrow(expect.objectContaining({ code: "catalog.unknown-model" }));
  });

  test("a real tag without figures says so", () => {
    expect(() => model("qwen3.5:122b")).toThrow(expect.objectContaining({ code: "catalog.no-figures" }));
  });
});

describe("VRAM", () => {
  test("is weights, cache and 1 GB", () => {
    // 2 × 4 heads × 256 × 2 bytes = 4096 bytes a token and layer; 5 layers with 4096 tokens, 29 with 1024.
    const need = vramNeeded(model("gemma3:4b"));
    expect(need).toEqual({
      weightsGb: 3.3,
      cacheGb: (4096 * (5 * 4096 + 29 * 1024)) / 1e9,
      overheadGb: 1,
      totalGb: expect.closeTo(4.5055, 3),
    });
  });

  test("vLLM keeps a tenth of the card free", () => {
    const { weightsGb, cacheGb, overheadGb, totalGb } = vramNeeded(model("Qwen/Qwen2.5-7B-Instruct"));
    expect(totalGb).toBeCloseTo((weightsGb + cacheGb + overheadGb) / 0.9);
  });

  test("an API model needs none", () => {
    expect(vramNeeded(model("gemini-3.1-flash-lite")).totalGb).toBe(0);
  });

  test.each([
    ["gemma3:4b", 12],
    ["qwen3.5:9b", 10],
    ["qwen2.5:7b", 10],
    ["gemma3:12b", 12],
    ["gemma3:27b", 24],
  ])("%s fits into the guide's %s GB", (tag, vramGb) => {
    expect(vramNeeded(model(tag)).totalGb).toBeLessThanOrEqual(vramGb);
  });

  test("grows with context and with parallel requests, never shrinks", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...catalog.models),
        fc.integer({ min: 1, max: 300_000 }),
        fc.integer({ min: 1, max: 16 }),
        fc.nat(100_000),
        (m, contextTokens, parallel, more) => {
          const base = vramNeeded(m, { contextTokens, parallel }).totalGb;
          expect(
            vramNeeded(m, { contextTokens: contextTokens + more, parallel }).totalGb,
          ).toBeGreaterThanOrEqual(base);
          expect(vramNeeded(m, { contextTokens, parallel: parallel + 1 }).totalGb).toBeGreaterThanOrEqual(
            base,
          );
        },
      ),
    );
  });
});

describe("fit", () => {
  test("27 B on 12 GB says how many GB are missing and which classes hold it", () => {
    expect(() => requireFit(model("gemma3:27b"), { gpu: "RTX 3060" }, catalog)).toThrow(
      expect.objectContaining({
        code: "catalog.model-does-not-fit",
        message: "gemma3:27b needs 18.8 GB, RTX 3060 has 12.0 GB: 6.8 GB are missing",
        hint: expect.stringContaining("RTX 3090, RTX 4090"),
      }),
    );
  });

  test("names the smallest size of the class that holds it", () => {
    expect(fitModel(model("gemma3:12b"), { gpu: "RTX 3060" }, catalog)).toMatchObject({
      fits: true,
      minVramGb: 12,
    });
    expect(fitModel(model("gemma3:4b"), { gpu: "RTX 3060" }, catalog)).toMatchObject({
      fits: true,
      minVramGb: 8,
    });
  });

  test("the 8 GB card of a class that is also sold with 12 does not hold it", () => {
    const fit = fitModel(model("gemma3:12b"), { gpu: "RTX 3060", vramGb: 8 }, catalog);
    expect(fit).toMatchObject({ fits: false, availableGb: 8, missingGb: expect.closeTo(1.7, 1) });
    expect(fit.fittingClasses[0]).toBe("RTX 3060");
  });

  test("no laptop chip is among the classes that would hold it", () => {
    const { fittingClasses } = fitModel(model("gemma3:12b"), { gpu: "RTX 2070" }, catalog);
    expect(fittingClasses).toContain("RTX 4080");
    expect(fittingClasses.filter((gpu) => gpu.includes("Laptop"))).toEqual([]);
  });

  test("several GPUs hold it together", () => {
    expect(fitModel(model("gemma3:27b"), { gpu: "RTX 3060", gpuCount: 2 }, catalog).fits).toBe(true);
  });

  test("a longer context can be too much", () => {
    const place = { gpu: "RTX 4090" };
    expect(fitModel(model("gemma3:27b"), place, catalog, { contextTokens: 128_000 }).fits).toBe(false);
  });

  test("the classes that hold a need are all of them but laptop chips and mining cards", () => {
    const classes = classesHolding(10, "ollama", catalog);
    expect(classes).toEqual(expect.arrayContaining(["RTX 3060", "GTX 1080 Ti", "RTX 3080", "H200"]));
    for (const name of ["RTX 2080", "RTX 4080 Laptop", "CMP 50HX"]) expect(classes).not.toContain(name);
    const forVllm = classesHolding(10, "vllm", catalog);
    expect(classes.filter((name) => !forVllm.includes(name))).toEqual(
      expect.arrayContaining(["GTX 1080 Ti", "RTX 2080 Ti", "Tesla T4", "Tesla V100"]),
    );
    expect(forVllm).toEqual(expect.arrayContaining(["RTX 3060", "RTX 3080", "H200"]));
    expect(classesHolding(500, "ollama", catalog)).toEqual([]);
  });
});

describe("speed", () => {
  const speed = (tag: string, gpu: string, vramGb?: number) =>
    expectedSpeed(model(tag), requireGpu(gpu, catalog), vramGb);

  test("a stated figure wins and is named", () => {
    expect(speed("gemma3:4b", "RTX 4090")).toEqual({
      tokensPerSecond: 95,
      basis: "stated",
      source: "the guide, March 2026",
    });
  });

  // The 4090 D has the bandwidth of a 4090 and no figure of its own: the formula has to find the guide's.
  test.each([
    ["gemma3:4b", 95],
    ["gemma3:12b", 55],
    ["gemma3:27b", 32],
    ["qwen2.5:7b", 78],
  ])("the formula gives the guide's figure for %s within 3 %", (tag, stated) => {
    const derived = speed(tag, "RTX 4090 D");
    expect(derived?.basis).toBe("bandwidth");
    expect(Math.abs(derived!.tokensPerSecond / stated - 1)).toBeLessThan(0.03);
  });

  test("the 8 GB RTX 3060 is slower than the one with 12", () => {
    expect(speed("gemma3:4b", "RTX 3060", 8)!.tokensPerSecond).toBeLessThan(
      speed("gemma3:4b", "RTX 3060", 12)!.tokensPerSecond,
    );
    expect(speed("gemma3:4b", "RTX 3060")).toEqual(speed("gemma3:4b", "RTX 3060", 8));
  });

  test("experts are read in part: 35 B with 3 B active is faster than 27 B", () => {
    expect(speed("qwen3.5:35b", "RTX A6000")!.tokensPerSecond).toBeGreaterThan(
      speed("qwen3.5:27b", "RTX A6000")!.tokensPerSecond,
    );
  });

  test("an API model's speed is not the GPU's", () => {
    expect(speed("gemini-3.1-flash-lite", "RTX 4090")).toBeUndefined();
  });
});
