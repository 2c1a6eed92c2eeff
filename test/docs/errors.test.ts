import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { codesInSources } from "./codes.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const rows = readFileSync(`${root}/docs/errors.md`, "utf8")
  .split("\n")
  .filter((line) => line.startsWith("| `"))
  .map((line) => line.split(" | "));
const documented = rows.map(([code = ""]) => code.replace(/^\| `|`$/g, ""));

test("every error code of the sources is in docs/errors.md", () => {
  expect([...codesInSources(root)].filter((code) => !documented.includes(code)).toSorted()).toEqual([]);
});

test("docs/errors.md invents no error code", () => {
  const codes = codesInSources(root);
  expect(codes.size).toBeGreaterThan(100);
  expect(documented.filter((code) => !codes.has(code))).toEqual([]);
});

test("each code stands there once, in order, with when and what to do", () => {
  expect(documented).toEqual([...new Set(documented)].toSorted());
  for (const row of rows) expect(row, row[0]).toHaveLength(3);
});
