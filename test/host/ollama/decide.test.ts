import { expect, test } from "vitest";
import { decideData, type SeenData, type WantedData } from "../../../src/host/ollama/decide.ts";
import { parseDisk } from "../../../src/host/ollama/disk.ts";
import { judge } from "../../../src/host/ollama/measure.ts";
import { modelReference } from "../../../src/host/ollama/reference.ts";

const aa = `sha256:${"aa".repeat(32)}`;
const bb = `sha256:${"bb".repeat(32)}`;
const want: WantedData = { tag: "gemma3:4b", digest: undefined, knownDigest: undefined };
const seen: SeenData = {
  installed: [],
  registry: { digest: aa, sizeBytes: 3e9 },
  freeBytes: 50e9,
  partialBytes: 0,
  catalogBytes: 3.3e9,
};
const has = (digest: string) => [{ tag: "gemma3:4b", digest, sizeBytes: 3e9 }];

test.each<{
  name: string;
  want?: Partial<WantedData>;
  seen?: Partial<SeenData>;
  pull?: boolean;
  error?: string;
}>([
  { name: "not there", pull: true },
  {
    name: "another tag is there",
    seen: { installed: [{ tag: "gemma3:12b", digest: aa, sizeBytes: 1 }] },
    pull: true,
  },
  { name: "there, nothing recorded", seen: { installed: has(bb) }, pull: false },
  {
    name: "there as recorded, the registry has a newer one",
    want: { knownDigest: bb },
    seen: { installed: has(bb) },
    pull: false,
  },
  { name: "there as asked for", want: { digest: bb }, seen: { installed: has(bb) }, pull: false },
  {
    name: "changed since, the registry has the recorded one",
    want: { knownDigest: aa },
    seen: { installed: has(bb) },
    pull: true,
  },
  {
    name: "changed since, to what the registry has",
    want: { knownDigest: bb },
    seen: { installed: has(aa) },
    pull: false,
  },
  {
    name: "another digest asked for, which the registry has",
    want: { digest: aa },
    seen: { installed: has(bb) },
    pull: true,
  },
  { name: "a digest that the registry has not", want: { digest: bb }, error: "model.wrong-digest" },
  {
    name: "a digest, and the registry is silent",
    want: { digest: bb },
    seen: { registry: undefined },
    pull: true,
  },
  { name: "too little disk", seen: { freeBytes: 2e9 }, error: "model.no-space" },
  {
    name: "too little disk by the catalog's figure",
    seen: { registry: undefined, freeBytes: 3.1e9 },
    error: "model.no-space",
  },
  { name: "the rest of an interrupted pull fits", seen: { freeBytes: 2e9, partialBytes: 1.5e9 }, pull: true },
  { name: "full disk, but it is there", seen: { installed: has(aa), freeBytes: 0 }, pull: false },
  { name: "free space unknown", seen: { freeBytes: undefined }, pull: true },
])("pull of a model: $name", (row) => {
  const decide = () => decideData({ ...want, ...row.want }, { ...seen, ...row.seen });
  if (row.error) expect(decide).toThrow(expect.objectContaining({ code: row.error }));
  else expect(decide().pull).toBe(row.pull);
});

test("says how much space is missing", () => {
  expect(() => decideData(want, { ...seen, freeBytes: 2.1e9 })).toThrow(
    "gemma3:4b needs 3.0 GB of disk and the host has 2.1 GB",
  );
});

test.each([
  { name: "wholly on the GPU and fast", share: 1, speed: 50, error: undefined },
  { name: "rounded down a little", share: 0.996, speed: 50, error: undefined },
  { name: "half of it on the CPU", share: 0.5, speed: 50, error: "model.spilled" },
  { name: "no GPU at all", share: 0, speed: 50, error: "model.spilled" },
  { name: "slow", share: 1, speed: 19.9, error: "model.too-slow" },
])("a loaded model: $name", ({ share, speed, error }) => {
  const run = () =>
    judge(
      "gemma3:4b",
      3e9,
      { vramShare: share, tokensPerSecond: speed, firstAnswer: "hi" },
      { minVramShare: 1, minTokensPerSecond: 20 },
    );
  if (error) expect(run).toThrow(expect.objectContaining({ code: error }));
  else expect(run).not.toThrow();
});

test("limits that are not set are not checked", () => {
  const seen = { vramShare: 0, tokensPerSecond: 0.1, firstAnswer: "hi" };
  expect(() =>
    judge("gemma3:4b", 3e9, seen, { minVramShare: undefined, minTokensPerSecond: undefined }),
  ).not.toThrow();
});

test.each([
  {
    tag: "gemma3:4b",
    registry: undefined,
    pullName: "gemma3:4b",
    repository: "library/gemma3",
    insecure: false,
  },
  {
    tag: "gemma3",
    registry: undefined,
    pullName: "gemma3:latest",
    repository: "library/gemma3",
    insecure: false,
  },
  {
    tag: "someone/model:7b",
    registry: undefined,
    pullName: "someone/model:7b",
    repository: "someone/model",
    insecure: false,
  },
  {
    tag: "gemma3:4b",
    registry: "http://127.0.0.1:5001/",
    pullName: "127.0.0.1:5001/library/gemma3:4b",
    repository: "library/gemma3",
    insecure: true,
  },
  {
    tag: "a/b:c",
    registry: "https://models.example",
    pullName: "models.example/a/b:c",
    repository: "a/b",
    insecure: false,
  },
])("$tag from $registry is pulled as $pullName", ({ tag, registry, ...expected }) => {
  expect(modelReference(tag, registry)).toMatchObject(expected);
});

test.each(["", "a b", "http://x/y:z", "a/b/c:d", "x:", "x:y:z"])("refuses %j as a tag", (tag) => {
  expect(() => modelReference(tag)).toThrow(expect.objectContaining({ code: "model.bad-tag" }));
});

test("reads free space and what interrupted pulls left; rubbish is unknown", () => {
  const text =
    "overlay 100 40 60 40% /\n2048\t/root/.ollama/models/blobs/sha256-aa-partial\n16\tx\nrubbish\n";
  expect(parseDisk(text)).toEqual({ freeBytes: 60 * 1024, partialBytes: 2064 * 1024 });
  expect(parseDisk("what?")).toEqual({ freeBytes: undefined, partialBytes: 0 });
});
