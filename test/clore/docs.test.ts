import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import * as errors from "../../src/clore/errors.ts";
import * as refusals from "../../src/clore/refusals.ts";

const page = readFileSync(new URL("../../docs/clore-api.md", import.meta.url), "utf8");

/** Every error class that is exported, as it comes out for a write and for a read. */
const all = Object.values({ ...errors, ...refusals }).flatMap((exported) => {
  const isClass = typeof exported === "function" && exported.prototype instanceof errors.CloreApiError;
  if (!isClass) return [];
  const Class = exported as errors.ApiErrorClass;
  const made = (write: boolean) => new Class({ endpoint: "x", write });
  return [{ code: made(true).code, retries: [made(true).retry, made(false).retry] as const }];
});

test("the page lists exactly the errors that exist, with what may be done after each", () => {
  const listed = [...page.matchAll(/`(clore\.[a-z0-9-]+)`.*\| ([a-z-]+) \|$/gm)].map(
    ([, code, retry]) => `${code} ${retry}`,
  );
  const existing = all.map(({ code, retries: [write, read] }) => {
    if (write === read) return `${code} ${write}`;
    return `${code} ${code === "clore.cancelled" ? write : "unclear"}`;
  });
  expect(all.length).toBeGreaterThan(30);
  expect(listed.toSorted()).toEqual(existing.toSorted());
});
