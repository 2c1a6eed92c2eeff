import { readFileSync, statSync } from "node:fs";
import { expect, test } from "vitest";
import { bundleProxy } from "../../tools/bundle.ts";

test("the bundle is one file that needs nothing but Node, without Google's authentication library", async () => {
  const { path, bytes } = await bundleProxy();
  const text = readFileSync(path, "utf8");
  expect(Buffer.byteLength(text)).toBe(bytes);
  expect(bytes).toBeLessThan(600_000);
  const imported = [...text.matchAll(/\bfrom"([\w@][^"]*)"|\bimport\("([^"]+)"\)/g)].map((m) => m[1] ?? m[2]);
  expect(imported.length).toBeGreaterThan(5);
  expect(imported.filter((name) => !name!.startsWith("node:"))).toEqual([]);
  expect(text).not.toMatch(/google-auth-library|GoogleAuth\b|Dynamic require/);
  expect(text).not.toContain(process.cwd());
});

test("an unchanged bundle is not written again", async () => {
  const first = await bundleProxy();
  const written = statSync(first.path).mtimeMs;
  expect(await bundleProxy()).toEqual(first);
  expect(statSync(first.path).mtimeMs).toBe(written);
});
