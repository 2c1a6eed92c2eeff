import { describe, expect, test } from "vitest";
import { loadCatalog } from "../../src/catalog/load.ts";
import { requireModel } from "../../src/catalog/models.ts";
import { checkInputs } from "../../src/provider/check.ts";
import type { Handler } from "../../src/provider/handler.ts";
import { floorFor, model, refuseMisfit } from "../../src/provider/model.ts";
import { unknownTagProblem } from "../../src/provider/model-inputs.ts";

const catalog = loadCatalog();
const connection = { address: "a", port: 22, user: "root", privateKey: "k", hostKey: "h" };
const inputs = { connection, tag: "gemma3:4b", port: 11434, maxTimeToReady: "60m" };
const state = { model: "gemma3:4b", digest: "sha256:aa", status: "ready" as const };
const rtx3060 = { name: "NVIDIA GeForce RTX 3060", vramGb: 12, driver: "550" };

test.each([
  { name: "nothing", recorded: {}, want: {}, changes: [] },
  { name: "the tag", recorded: {}, want: { tag: "gemma3:12b" }, changes: ["tag: replace"] },
  { name: "the port", recorded: {}, want: { port: 1234 }, changes: ["port: replace"] },
  {
    name: "the machine",
    recorded: {},
    want: { connection: { ...connection, hostKey: "other" } },
    changes: ["connection: replace"],
  },
  {
    name: "the key to the same machine",
    recorded: {},
    want: { connection: { ...connection, privateKey: "k2" } },
    changes: [],
  },
  {
    name: "a limit",
    recorded: {},
    want: { minTokensPerSecond: 20 },
    changes: ["minTokensPerSecond: update"],
  },
  { name: "the time allowed", recorded: {}, want: { maxTimeToReady: "2h" }, changes: [] },
  {
    name: "a trigger",
    recorded: { triggers: ["a"] },
    want: { triggers: ["b"] },
    changes: ["triggers: update"],
  },
  {
    name: "what was seen on the server",
    recorded: {},
    want: {},
    seen: "changed" as const,
    changes: ["status: update"],
  },
  {
    name: "a server that stands still",
    recorded: {},
    want: {},
    seen: "not-answering" as const,
    changes: ["status: update"],
  },
  {
    name: "an unfinished pull",
    recorded: {},
    want: {},
    seen: "unfinished" as const,
    changes: ["status: update"],
  },
])("a change of $name", ({ recorded, want, seen, changes }) => {
  const found = model.changes(
    { inputs: { ...inputs, ...recorded }, state: { ...state, status: seen ?? "ready" } },
    { ...inputs, ...want },
  );
  expect(found.map(({ path, kind }) => `${path}: ${kind}`)).toEqual(changes);
});

test.each([
  { tag: "gemma3:4b", problem: undefined },
  {
    tag: "qwen3.5:7b",
    problem:
      'there is no model "qwen3.5:7b"; nearest: qwen3.5:9b, qwen2.5:7b; others can be added in a catalog file of your own, named by CLORE_CATALOG',
  },
  { tag: "qwen3.5:122b", problem: undefined },
  { tag: "gemma3:4b-it-q8_0", problem: undefined },
  { tag: "llama3.2:3b", problem: undefined },
  { tag: "gemini-3.1-flash-lite", problem: "gemini-3.1-flash-lite does not run in Ollama (api)" },
])("what is known of the tag $tag", ({ tag, problem }) => {
  expect(unknownTagProblem(tag, catalog)).toBe(problem);
});

test("all mistakes are told at once, with what to write instead", () => {
  const wrong = {
    ...inputs,
    tag: "qwen3.5:7b",
    digest: "abc",
    registry: "https://models.example/path",
    minVramShare: 90,
    maxTimeToReady: "soon",
  };
  const { problems } = checkInputs(model as unknown as Handler, wrong);
  expect(problems.map(({ path }) => path)).toEqual(["digest", "registry", "minVramShare", "maxTimeToReady"]);
  const rules = checkInputs(model as unknown as Handler, { ...inputs, tag: "qwen3.5:7b" });
  expect(rules.problems).toEqual([
    {
      path: "tag",
      problem: expect.stringContaining(
        "nearest: qwen3.5:9b, qwen2.5:7b; others can be added in a catalog file of your own, named by CLORE_CATALOG",
      ),
    },
  ]);
});

describe("limits", () => {
  const gemma = requireModel("gemma3:4b", catalog);

  test("without a wish follow from the host's GPU: all of it in VRAM, half of the expected speed", () => {
    expect(
      floorFor(
        {},
        requireModel("qwen2.5:7b", catalog),
        { gpus: [{ ...rtx3060, name: "NVIDIA GeForce RTX 3080", vramGb: 10 }] },
        catalog,
      ),
    ).toEqual({
      minVramShare: 1,
      minTokensPerSecond: 22.5,
    });
  });

  test("are none on a host without a GPU", () => {
    expect(floorFor({}, gemma, { gpus: [] }, catalog)).toEqual({
      minVramShare: undefined,
      minTokensPerSecond: undefined,
    });
  });

  test("that were asked for win, also 0", () => {
    const asked = { minVramShare: 0, minTokensPerSecond: 0 };
    expect(floorFor(asked, gemma, { gpus: [rtx3060] }, catalog)).toEqual(asked);
  });

  test("a model that the host's GPUs cannot hold is refused before it is pulled", () => {
    const large = requireModel("gemma3:27b", catalog);
    const run = (share: number | undefined, count = 1) =>
      refuseMisfit({}, large, { gpus: Array(count).fill(rtx3060) }, share, catalog);
    expect(() => run(1)).toThrow(
      /gemma3:27b needs \d+\.\d GB of VRAM and the host has 12\.0 GB: \d\.\d GB are missing/,
    );
    expect(() => run(1, 2)).not.toThrow();
    expect(() => run(0)).not.toThrow();
    expect(() => run(undefined)).not.toThrow();
  });
});
