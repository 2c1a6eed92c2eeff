import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { capturedRent, findGpu, gpuKey, requireGpu } from "../../src/catalog/gpus.ts";
import { loadCatalog, parseCatalog } from "../../src/catalog/load.ts";
import { requireModel } from "../../src/catalog/models.ts";

const folder = mkdtempSync(join(tmpdir(), "clore-catalog-"));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe("the built-in catalog", () => {
  const catalog = loadCatalog();

  test("has every class under one key only, so that no near-miss is taken for another", () => {
    const keys = catalog.gpus.flatMap((gpu) => [...new Set([gpu.name, ...gpu.aliases].map(gpuKey))]);
    expect(keys.toSorted()).toEqual([...new Set(keys)].toSorted());
  });

  test("prices and stated speeds are of classes that it has", () => {
    const named = [
      ...catalog.prices.rents.map((r) => r.gpu),
      ...catalog.prices.guide.map((g) => g.gpu).filter((gpu) => gpu !== "none"),
      ...catalog.models.flatMap((m) => (m.runtime === "api" ? [] : m.measured.map((s) => s.gpu))),
    ];
    for (const name of named) expect(findGpu(name, catalog)?.name, name).toBe(name);
  });

  test.each([
    ["NVIDIA GeForce RTX 4090", "RTX 4090"],
    ["rtx-4090 d", "RTX 4090 D"],
    ["RTX 3060 Laptop GPU", "RTX 3060 Laptop"],
    ["NVIDIA A100-SXM4-80GB", "A100"],
    ["A6000", "RTX A6000"],
    ["RTX 3060Ti", "RTX 3060 Ti"],
  ])("%s is the class %s", (name, expected) => {
    expect(requireGpu(name, catalog).name).toBe(expected);
  });

  test("an unknown class is an error with the nearest names", () => {
    expect(() => requireGpu("RTX 4900", catalog)).toThrow(
      expect.objectContaining({ code: "catalog.unknown-gpu", hint: expect.stringContaining("RTX 4090") }),
    );
  });

  test("has no price for what was not captured", () => {
    expect(capturedRent("RTX 3060", 1, catalog)).toBeUndefined();
    expect(capturedRent("RTX 4090", 3, catalog)).toBeUndefined();
    expect(capturedRent("rtx 4090", 2, catalog)?.median).toBe(13);
  });
});

describe("a user's file", () => {
  test("adds a model and replaces a GPU, and leaves the rest", () => {
    const path = file(
      "mine.yaml",
      `gpus:
  - { name: rtx 4090, variants: [{ vramGb: 48, bandwidthGBps: 1008 }], source: my own card }
models:
  - tag: mine:3b
    parametersB: 3
    runtime: ollama
    downloadBytes: 2e9
    kv: { layers: 28, heads: 8, headDim: 128 }
    source: measured here
`,
    );
    const catalog = loadCatalog([path]);
    expect(requireGpu("RTX 4090", catalog).variants).toEqual([{ vramGb: 48, bandwidthGBps: 1008 }]);
    expect(requireModel("mine:3b", catalog)).toMatchObject({ downloadBytes: 2e9, source: "measured here" });
    expect(catalog.gpus.length).toBe(loadCatalog().gpus.length);
    expect(requireModel("gemma3:4b", catalog).tag).toBe("gemma3:4b");
  });

  test("an empty file changes nothing", () => {
    expect(loadCatalog([file("empty.yaml", "# nothing yet\n")])).toEqual(loadCatalog());
  });

  test("that is not there is an error that names it", () => {
    const path = join(folder, "missing.yaml");
    expect(() => loadCatalog([path])).toThrow(
      expect.objectContaining({ code: "catalog.unreadable", message: expect.stringContaining(path) }),
    );
  });
});

test.each([
  {
    mistake: "a misspelt key",
    text: "gpus:\n  - { name: X1, vram: 4, variants: [{ vramGb: 4, bandwidthGBps: 100 }], source: me }\n",
    message: 'c.yaml:2:5 gpus[0]: Unrecognized key: "vram"',
  },
  {
    mistake: "text for a number",
    text: "gpus:\n  - name: X1\n    variants:\n      - { vramGb: much, bandwidthGBps: 100 }\n    source: me\n",
    message: "c.yaml:4:19 gpus[0].variants[0].vramGb: Invalid input: expected number, received string",
  },
  {
    mistake: "two mistakes, both named",
    text: "prices:\n  guide:\n    - { gpu: X1, usdPerHour: 0 }\n    - { gpu: X2, usdPerHour: -1 }\n",
    message:
      /^c\.yaml:3:30 prices\.guide\[0\]\.usdPerHour: .*\nc\.yaml:4:30 prices\.guide\[1\]\.usdPerHour: /,
  },
  {
    mistake: "a missing field, shown at its parent",
    text: "models:\n  - tag: a:1b\n    runtime: ollama\n    parametersB: 1\n    downloadBytes: 1e9\n    source: me\n",
    message: /^c\.yaml:2:5 models\[0\]\.kv: /,
  },
  { mistake: "no YAML", text: "gpus: [1, 2\n", message: /^c\.yaml:2:1 / },
])("$mistake is reported with line and column", ({ text, message }) => {
  expect(() => parseCatalog(text, "c.yaml")).toThrow(
    expect.objectContaining({
      code: "catalog.invalid",
      message: typeof message === "string" ? message : expect.stringMatching(message),
    }),
  );
});
