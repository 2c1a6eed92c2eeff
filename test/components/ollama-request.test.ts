import { expect, test } from "vitest";
import { loadCatalog } from "../../src/catalog/load.ts";
import { type OllamaWish, roomFor } from "../../src/components/ollama-request.ts";

const catalog = loadCatalog();
const wish = (tags: string[], more: Partial<OllamaWish> = {}): OllamaWish => ({
  tags,
  gpu: undefined,
  gpuCount: undefined,
  contextTokens: undefined,
  parallel: undefined,
  ...more,
});

test.each([
  { name: "a small model", want: wish(["gemma3:4b"]), gpu: "RTX 3060", minVramGb: 8, minDiskGb: 16 },
  { name: "a large one", want: wish(["gemma3:27b"]), gpu: "RTX 3090", minVramGb: 24, minDiskGb: 29 },
  {
    name: "a class that was named",
    want: wish(["gemma3:27b"], { gpu: "RTX 4090" }),
    gpu: "RTX 4090",
    minVramGb: 24,
    minDiskGb: 29,
  },
  {
    name: "the larger size of a class",
    want: wish(["gemma3:12b"], { gpu: "RTX 3060" }),
    gpu: "RTX 3060",
    minVramGb: 12,
    minDiskGb: 21,
  },
  {
    name: "several GPUs",
    want: wish(["gemma3:27b"], { gpu: "RTX 3060", gpuCount: 2 }),
    gpu: "RTX 3060",
    minVramGb: 12,
    minDiskGb: 29,
  },
])("room for $name", ({ want, gpu, minVramGb, minDiskGb }) => {
  expect(roomFor(want, catalog)).toMatchObject({ gpu, minVramGb, minDiskGb });
});

test("two models need what they need together", () => {
  const one = roomFor(wish(["gemma3:12b"]), catalog);
  const both = roomFor(wish(["gemma3:12b", "qwen2.5:7b"]), catalog);
  expect(one.minVramGb).toBeLessThan(16);
  expect(both.minVramGb).toBeGreaterThanOrEqual(16);
  // 8.1 and 4.7 GB to download, beside what Ollama itself takes.
  expect([one.minDiskGb, both.minDiskGb]).toEqual([21, 25]);
});

test("long contexts for many at once need a larger card", () => {
  const most = roomFor(wish(["gemma3:4b"], { contextTokens: 131_072, parallel: 4 }), catalog);
  expect(most.minVramGb).toBeGreaterThan(8);
});

test.each([
  {
    name: "27 B on 12 GB",
    want: wish(["gemma3:27b"], { gpu: "RTX 3060" }),
    code: "catalog.model-does-not-fit",
    says: /^gemma3:27b needs \d+\.\d GB, RTX 3060 has 12\.0 GB: \d+\.\d GB are missing/,
    hint: /classes that hold it: RTX 3090/,
  },
  {
    name: "a tag that does not exist",
    want: wish(["qwen3.5:7b"]),
    code: "catalog.unknown-model",
    says: /there is no model "qwen3.5:7b"/,
    hint: /^nearest: qwen3.5:9b, qwen2.5:7b/,
  },
  {
    name: "an unknown GPU",
    want: wish(["gemma3:4b"], { gpu: "RTX 4900" }),
    code: "catalog.unknown-gpu",
    says: /RTX 4900/,
    hint: /RTX 4090/,
  },
  {
    name: "a model behind an API",
    want: wish(["gemini-3.1-flash-lite"]),
    code: "catalog.not-ollama",
    says: /api/,
    hint: /GeminiProxy/,
  },
  { name: "no model", want: wish([]), code: "catalog.unknown-model", says: /no model/, hint: undefined },
])("refuses $name before anything is rented", ({ want, code, says, hint }) => {
  const expected: Record<string, unknown> = { code, message: expect.stringMatching(says) };
  if (hint) expected.hint = expect.stringMatching(hint);
  expect(() => roomFor(want, catalog)).toThrow(expect.objectContaining(expected));
});
