import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readAnswer } from "../../src/clore/answer.ts";
import { CloreApiError } from "../../src/clore/errors.ts";
import { excerpt } from "../../src/clore/excerpt.ts";
import {
  type CanLowerEvery600SecondsError,
  type ExceededMaxStepError,
  refusals,
} from "../../src/clore/refusals.ts";

const blockPage = "<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title>";

interface Case {
  name: string;
  status: number;
  body: string;
  code: string;
  /** What a read and a write say about going on. */
  read: string;
  write: string;
}

const cases: Case[] = [
  {
    name: "database error",
    status: 500,
    body: '{"code":1}',
    code: "clore.database-error",
    read: "later",
    write: "look-first",
  },
  {
    name: "database error under 200",
    status: 200,
    body: '{"code":1}',
    code: "clore.database-error",
    read: "later",
    write: "look-first",
  },
  {
    name: "invalid input",
    status: 400,
    body: '{"code":2}',
    code: "clore.invalid-input",
    read: "no",
    write: "no",
  },
  {
    name: "invalid token",
    status: 401,
    body: '{"code":3}',
    code: "clore.invalid-token",
    read: "no",
    write: "no",
  },
  {
    name: "invalid token under 200",
    status: 200,
    body: '{"code":"3"}',
    code: "clore.invalid-token",
    read: "no",
    write: "no",
  },
  {
    name: "invalid endpoint",
    status: 404,
    body: '{"code":4}',
    code: "clore.invalid-endpoint",
    read: "no",
    write: "no",
  },
  {
    name: "rate limit",
    status: 429,
    body: '{"code":5}',
    code: "clore.rate-limited",
    read: "later",
    write: "later",
  },
  {
    name: "rate limit under 200",
    status: 200,
    body: '{"code":5}',
    code: "clore.rate-limited",
    read: "later",
    write: "later",
  },
  {
    name: "rate limit at the edge",
    status: 429,
    body: "<html>slow down",
    code: "clore.rate-limited",
    read: "later",
    write: "later",
  },
  {
    name: "rate limit without code",
    status: 429,
    body: "{}",
    code: "clore.rate-limited",
    read: "later",
    write: "later",
  },
  {
    name: "database error under 429 is none",
    status: 429,
    body: '{"code":1}',
    code: "clore.database-error",
    read: "later",
    write: "look-first",
  },
  {
    name: "named error under 200",
    status: 200,
    body: '{"code":6,"error":"server-already-rented"}',
    code: "clore.server-already-rented",
    read: "no",
    write: "no",
  },
  {
    name: "named error under 500",
    status: 500,
    body: '{"code":6,"error":"currency-not-allowed"}',
    code: "clore.currency-not-allowed",
    read: "no",
    write: "no",
  },
  {
    name: "named error, other spelling",
    status: 500,
    body: '{"code":6,"error":"not-enough-balance"}',
    code: "clore.not-enough-balance",
    read: "no",
    write: "no",
  },
  {
    name: "unknown named error",
    status: 500,
    body: '{"code":6,"error":"moon-phase"}',
    code: "clore.refused",
    read: "later",
    write: "look-first",
  },
  {
    name: "named error without name",
    status: 500,
    body: '{"code":6}',
    code: "clore.refused",
    read: "later",
    write: "look-first",
  },
  {
    name: "a property of every object is no name",
    status: 500,
    body: '{"code":6,"error":"constructor"}',
    code: "clore.refused",
    read: "later",
    write: "look-first",
  },
  {
    name: "yes and no at once",
    status: 200,
    body: '{"code":0,"error":"server-offline"}',
    code: "clore.server-offline",
    read: "later",
    write: "look-first",
  },
  {
    name: "unknown code",
    status: 200,
    body: '{"code":77}',
    code: "clore.unknown-code",
    read: "later",
    write: "look-first",
  },
  {
    name: "no code",
    status: 200,
    body: '{"orders":[]}',
    code: "clore.unexpected-shape",
    read: "later",
    write: "look-first",
  },
  {
    name: "JSON that is no object",
    status: 200,
    body: "[1]",
    code: "clore.unexpected-shape",
    read: "later",
    write: "look-first",
  },
  {
    name: "Cloudflare 1010",
    status: 403,
    body: "error code: 1010",
    code: "clore.blocked",
    read: "no",
    write: "no",
  },
  { name: "Cloudflare page", status: 403, body: blockPage, code: "clore.blocked", read: "no", write: "no" },
  {
    name: "gateway page",
    status: 502,
    body: "<html><h1>502 Bad Gateway</h1>",
    code: "clore.not-json",
    read: "later",
    write: "look-first",
  },
  {
    name: "gateway page of Cloudflare",
    status: 520,
    body: "error code: 520",
    code: "clore.not-json",
    read: "later",
    write: "look-first",
  },
  {
    name: "HTML under 200",
    status: 200,
    body: "<html>maintenance",
    code: "clore.not-json",
    read: "later",
    write: "look-first",
  },
  {
    name: "cut JSON",
    status: 200,
    body: '{"code":0,"ord',
    code: "clore.not-json",
    read: "later",
    write: "look-first",
  },
  { name: "nothing", status: 200, body: "", code: "clore.not-json", read: "later", write: "look-first" },
  { name: "redirect", status: 302, body: "", code: "clore.not-json", read: "later", write: "look-first" },
];

test.each(cases)("an answer is told apart: $name", ({ status, body, code, read, write }) => {
  const ofRead = failureOf(status, body, false);
  const ofWrite = failureOf(status, body, true);
  expect([ofRead.code, ofRead.retry, ofWrite.code, ofWrite.retry]).toEqual([code, read, code, write]);
  expect(ofRead.hint).toBeTruthy();
  expect(ofRead.httpStatus).toBe(status);
});

test.each([200, 500])("every named error has a class and a code of its own under HTTP %i", (status) => {
  const errors = Object.keys(refusals).map((error) =>
    failureOf(status, JSON.stringify({ code: 6, error }), true),
  );
  expect(errors.map((error) => error.code)).toEqual(
    Object.keys(refusals).map((name) => `clore.${name.replaceAll("_", "-")}`),
  );
  expect(new Set(errors.map((error) => error.constructor)).size).toBe(errors.length);
  expect(new Set(errors.map((error) => error.name)).size).toBe(errors.length);
});

test("code 0 is a success whatever the HTTP status", () => {
  expect(
    readAnswer({ status: 500, body: '{"code":0,"x":1}' }, { endpoint: "wallets", write: false }),
  ).toEqual({
    code: 0,
    x: 1,
  });
});

test("the numbers that come with a spot refusal are kept", () => {
  const step = failureOf(200, '{"code":6,"error":"exceeded_max_step","max_step":0.25}', true);
  const wait = failureOf(
    200,
    '{"code":6,"error":"can_lower_every_600_seconds","time_to_lowering":412}',
    true,
  );
  expect((step as ExceededMaxStepError).maxStepPerDay).toBe(0.25);
  expect((wait as CanLowerEvery600SecondsError).secondsToLowering).toBe(412);
});

describe("excerpt", () => {
  test("is bounded, on one line, without control characters", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 3000 }), (body) => {
        const text = excerpt(body);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
        expect(text).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
        expect(text.length).toBeLessThan(340);
      }),
    );
  });

  test("does not show a key that was echoed, even across the cut", () => {
    const key = "k".repeat(32);
    expect(excerpt(`${"x".repeat(290)}${key}`, [key])).not.toContain("kk");
    expect(excerpt(`bad token ${key}`, [key])).toBe("bad token [secret]");
  });
});

function failureOf(status: number, body: string, write: boolean): CloreApiError {
  try {
    readAnswer({ status, body }, { endpoint: "some_call", write });
  } catch (error) {
    if (error instanceof CloreApiError) return error;
    throw error;
  }
  throw new Error("it was taken for a success");
}
