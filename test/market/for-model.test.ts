import fc from "fast-check";
import { expect, test } from "vitest";
import { requireModel } from "../../src/catalog/models.ts";
import { vramNeeded } from "../../src/catalog/vram.ts";
import { requestForModel } from "../../src/market/for-model.ts";
import type { OfferRequest } from "../../src/market/request.ts";
import { catalog } from "./servers.ts";

const forModel = (tag: string, request: OfferRequest) =>
  requestForModel(request, requireModel(tag, catalog), catalog);

test.each<{ name: string; tag: string; request: OfferRequest; result: OfferRequest }>([
  {
    name: "any class that holds it",
    tag: "gemma3:27b",
    request: {},
    result: { minVramGb: 18.8, minDiskGb: 27 },
  },
  {
    name: "the size of the class that holds it",
    tag: "gemma3:12b",
    request: { gpu: "RTX 3060" },
    result: { gpu: "RTX 3060", minVramGb: 12, minDiskGb: 19 },
  },
  {
    name: "more than the model needs stays",
    tag: "gemma3:4b",
    request: { minVramGb: 24, minDiskGb: 500, maxPricePerDay: 6 },
    result: { minVramGb: 24, minDiskGb: 500, maxPricePerDay: 6 },
  },
  {
    name: "shared by two GPUs",
    tag: "gemma3:27b",
    request: { gpu: "RTX 3060", gpuCount: 2 },
    result: { gpu: "RTX 3060", gpuCount: 2, minVramGb: 12, minDiskGb: 27 },
  },
  { name: "an API model asks for nothing", tag: "gemini-3.1-flash-lite", request: {}, result: {} },
])("$name", ({ tag, request, result }) => {
  expect(forModel(tag, request)).toEqual(result);
});

test("a class that cannot hold it is refused", () => {
  expect(() => forModel("gemma3:27b", { gpu: "RTX 3060" })).toThrow(
    expect.objectContaining({ code: "catalog.model-does-not-fit" }),
  );
});

test("never asks for less VRAM than the model needs", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...catalog.models),
      fc.integer({ min: 1, max: 200_000 }),
      (model, contextTokens) => {
        const { minVramGb = 0 } = requestForModel({}, model, catalog, { contextTokens });
        expect(minVramGb).toBeGreaterThanOrEqual(vramNeeded(model, { contextTokens }).totalGb);
      },
    ),
  );
});
