import fc from "fast-check";
import { expect, test } from "vitest";
import { requireGpu } from "../../src/catalog/gpus.ts";
import { requireModel } from "../../src/catalog/models.ts";
import type { HostedModel } from "../../src/catalog/schema.ts";
import { type LoadOptions, vramNeeded } from "../../src/catalog/vram.ts";
import { type Place, requestWithRoom, roomForModels } from "../../src/market/for-model.ts";
import { catalog } from "./servers.ts";

const hosted = (tag: string) => requireModel(tag, catalog) as HostedModel;
const roomFor = (tag: string, place: Place = {}, options: LoadOptions = {}) =>
  roomForModels([hosted(tag)], place, catalog, options);

test.each<{ name: string; tag: string; place: Place; room: object }>([
  {
    name: "a class that was named",
    tag: "gemma3:27b",
    place: { gpu: "RTX 4090" },
    room: {
      gpu: "RTX 4090",
      minVramGb: 18.8,
      minDiskGb: 29,
      loadGb: 18.4,
      because: "RTX 4090 was asked for",
    },
  },
  {
    name: "the need decides between the sizes of a class",
    tag: "gemma3:12b",
    place: { gpu: "RTX 3060" },
    room: { gpu: "RTX 3060", minVramGb: 9.8, minDiskGb: 21, loadGb: 9.5 },
  },
  {
    name: "shared by two GPUs",
    tag: "gemma3:27b",
    place: { gpu: "RTX 3060", gpuCount: 2 },
    room: { gpu: "RTX 3060", minVramGb: 9.4, minDiskGb: 29 },
  },
  {
    name: "vLLM takes its own disk, download and context",
    tag: "google/gemma-3-4b-it",
    place: { gpu: "RTX 3060" },
    room: { minVramGb: 11, minDiskGb: 29, loadGb: 13.1 },
  },
])("$name", ({ tag, place, room }) => {
  expect(roomFor(tag, place)).toMatchObject(room);
});

test("without a class all that hold it will do, whatever they cost; no laptop chip and no mining card is among them", () => {
  const { gpu, because } = roomFor("gemma3:4b");
  expect(gpu).toEqual(expect.arrayContaining(["RTX 3060", "RTX 2070", "RTX 4090", "H100", "Tesla T4"]));
  for (const name of ["RTX 4090 Laptop", "CMP 50HX", "P106-100", "GTX 1050 Ti"])
    expect(gpu).not.toContain(name);
  expect(because).toBe(
    `needs 4.6 GB of VRAM; of the ${gpu.length} GPU classes that have it the cheapest offer to finish is taken`,
  );
});

test("a mining card can be named", () => {
  expect(roomFor("gemma3:4b", { gpu: "CMP 50HX" }).gpu).toBe("CMP 50HX");
});

test("several GPUs widen the classes", () => {
  expect(roomFor("gemma3:27b").gpu).not.toContain("RTX 3060");
  expect(roomFor("gemma3:27b", { gpuCount: 2 }).gpu).toContain("RTX 3060");
});

test.each([
  { place: { gpu: "RTX 3060" }, code: "catalog.model-does-not-fit" },
  { place: { gpu: ["RTX 4090", "RTX 3060"] }, code: "catalog.model-does-not-fit" },
  { place: { gpu: "RTX 4900" }, code: "catalog.unknown-gpu" },
])("$place cannot hold 27 B: $code", ({ place, code }) => {
  expect(() => roomFor("gemma3:27b", place)).toThrow(expect.objectContaining({ code }));
});

test("what no class holds is refused, with what would help", () => {
  expect(() => roomFor("gemma3:27b", {}, { contextTokens: 131_072, parallel: 16 })).toThrow(
    expect.objectContaining({
      code: "catalog.no-class-fits",
      message: expect.stringMatching(/^gemma3:27b needs \d+\.\d GB of VRAM, more than any single GPU/),
      hint: expect.stringContaining("shorter context"),
    }),
  );
});

test("more than the models need stays asked for, less is raised", () => {
  const room = roomFor("gemma3:4b", { gpu: "RTX 3060" });
  expect(requestWithRoom({ minVramGb: 12, maxPricePerDay: 6 }, room)).toEqual({
    gpu: "RTX 3060",
    minVramGb: 12,
    minDiskGb: 16,
    maxPricePerDay: 6,
  });
  expect(requestWithRoom({ minVramGb: 1 }, room).minVramGb).toBe(4.6);
});

test("never asks for less VRAM than the model needs, nor proposes a class that has less", () => {
  const models = catalog.models.filter((model) => model.runtime !== "api");
  fc.assert(
    fc.property(
      fc.constantFrom(...models),
      fc.integer({ min: 1, max: 60_000 }),
      fc.integer({ min: 1, max: 4 }),
      (model, contextTokens, gpuCount) => {
        const room = roomForModels([model], { gpuCount }, catalog, { contextTokens });
        const needed = vramNeeded(model, { contextTokens }).totalGb;
        expect(room.minVramGb * gpuCount).toBeGreaterThanOrEqual(needed);
        for (const name of room.gpu) {
          const { variants, laptop, mining } = requireGpu(name, catalog);
          expect(Math.max(...variants.map(({ vramGb }) => vramGb)) * gpuCount).toBeGreaterThanOrEqual(needed);
          expect(laptop || mining).toBe(false);
        }
      },
    ),
  );
});
