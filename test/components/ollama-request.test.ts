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

test("without a class all that hold the model will do", () => {
  const small = roomFor(wish(["gemma3:4b"]), catalog);
  const large = roomFor(wish(["gemma3:27b"]), catalog);
  expect(small.gpu).toEqual(expect.arrayContaining(["RTX 3060", "RTX 3090"]));
  expect(large.gpu).toContain("RTX 3090");
  expect(large.gpu).not.toContain("RTX 3060");
});

test.each([
  {
    name: "a class that was named",
    want: wish(["gemma3:27b"], { gpu: "RTX 4090" }),
    room: { gpu: "RTX 4090", minVramGb: 18.8, minDiskGb: 29, loadGb: 18.4 },
  },
  {
    name: "several GPUs",
    want: wish(["gemma3:27b"], { gpu: "RTX 3060", gpuCount: 2 }),
    room: { gpu: "RTX 3060", minVramGb: 9.4, minDiskGb: 29 },
  },
])("room for $name", ({ want, room }) => {
  expect(roomFor(want, catalog)).toMatchObject(room);
});

test("two models need what they need together, each with its context", () => {
  const one = roomFor(wish(["gemma3:12b"]), catalog);
  const both = roomFor(wish(["gemma3:12b", "qwen2.5:7b"]), catalog);
  const second = roomFor(wish(["qwen2.5:7b"]), catalog);
  expect(both.minVramGb).toBeCloseTo(one.minVramGb + second.minVramGb, 0);
  // 8.1 and 4.7 GB to download, beside what Ollama itself takes.
  expect([one.minDiskGb, both.minDiskGb]).toEqual([21, 25]);
  const longer = roomFor(wish(["gemma3:12b", "qwen2.5:7b"], { contextTokens: 32_768 }), catalog);
  const alone = roomFor(wish(["gemma3:12b"], { contextTokens: 32_768 }), catalog);
  expect(longer.minVramGb - alone.minVramGb).toBeGreaterThan(second.minVramGb);
});

test("long contexts for many at once need a larger card", () => {
  const most = roomFor(wish(["gemma3:4b"], { contextTokens: 131_072, parallel: 4 }), catalog);
  expect(most.minVramGb).toBeGreaterThan(8);
  expect(most.gpu).not.toContain("RTX 2070");
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
