import type { ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readAnswer } from "../../src/clore/answer.ts";
import { CloreApiError } from "../../src/clore/errors.ts";
import { send } from "../../src/clore/http.ts";
import { readMarketRow } from "../../src/clore/market-row.ts";
import { marketplaceSchema, ordersSchema, renterFeesSchema, walletsSchema } from "../../src/clore/schemas.ts";
import { type CloreError, describeError } from "../../src/core/errors.ts";
import { type Reply, scriptedServer } from "../clore/server.ts";
import { escapes, peakMb, unprintable } from "./hostile-host.ts";

const key = "0123456789abcdef0123456789ABCDEF";

/** Asks for the orders as the client does, from a service that is not the one it should be. */
async function ask(reply: Reply, timeoutMs = 5000): Promise<unknown> {
  const server = await scriptedServer(reply);
  try {
    const asked = { endpoint: "my_orders", write: false };
    const headers = { auth: key };
    const answer = await send({
      ...asked,
      url: `${server.url}/my_orders`,
      method: "GET",
      headers,
      timeoutMs,
    });
    return ordersSchema.parse(readAnswer(answer, { ...asked, secrets: [key] }));
  } finally {
    await server.close();
  }
}

async function refusalOf(reply: Reply, timeoutMs?: number): Promise<CloreError> {
  const error = await ask(reply, timeoutMs).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(CloreApiError);
  const text = describeError(error);
  expect(text).not.toMatch(unprintable);
  expect(text).not.toContain(key);
  expect(text.length).toBeLessThan(2000);
  return error as CloreError;
}

function flood(response: ServerResponse, piece: Buffer): void {
  const more = () => {
    while (!response.destroyed) if (!response.write(piece)) return void response.once("drain", more);
  };
  more();
}

describe("a hostile marketplace", () => {
  test.each<{ name: string; reply: Reply; code: string; timeoutMs?: number }>([
    {
      name: "a body without end",
      reply: (response) => flood(response, Buffer.alloc(1024 * 1024, " ")),
      code: "clore.unexpected-shape",
    },
    {
      name: "a gigabyte in a few compressed bytes",
      reply: (response) => {
        response.writeHead(200, { "content-encoding": "gzip" });
        response.end(gzipSync(Buffer.alloc(300 * 1024 * 1024)));
      },
      code: "clore.unexpected-shape",
    },
    {
      name: "a byte now and then",
      reply: (response) => {
        const timer = setInterval(() => response.write(" "), 50);
        response.once("close", () => clearInterval(timer));
      },
      code: "clore.timed-out",
      timeoutMs: 400,
    },
    {
      name: "a redirect to somebody else",
      reply: { status: 302, headers: { location: "http://192.0.2.1/" }, body: "" },
      code: "clore.not-json",
    },
    {
      name: "the key in its words",
      reply: { status: 500, body: `no such key ${key}` },
      code: "clore.not-json",
    },
    { name: "escape sequences", reply: { body: { code: 6, error: escapes } }, code: "clore.refused" },
    {
      name: "an error called constructor",
      reply: { body: { code: 6, error: "constructor" } },
      code: "clore.refused",
    },
    {
      name: "an error called __proto__",
      reply: { body: { code: 6, error: "__proto__" } },
      code: "clore.refused",
    },
    { name: "a code that is no code", reply: { body: { code: 1e308 } }, code: "clore.unknown-code" },
    { name: "an array", reply: { body: [1] }, code: "clore.unexpected-shape" },
  ])(
    "that answers $name gets a typed error: $code",
    { timeout: 20_000 },
    async ({ reply, code, timeoutMs }) => {
      let error: CloreError | undefined;
      const mb = await peakMb(async () => {
        error = await refusalOf(reply, timeoutMs);
      });
      expect(error?.code).toBe(code);
      // Bounded by 64 MB of body, held more than once for a moment; unbounded it would be a gigabyte.
      expect(mb).toBeLessThan(500);
    },
  );

  test("that answers JSON a million deep is read or refused", async () => {
    const deep = (leaf: string) =>
      `{"code":0,"orders":[],"x":${"[".repeat(500_000)}${leaf}${"]".repeat(500_000)}}`;
    expect(await ask({ body: deep("") })).toEqual([]);
    const row = `{"code":0,"orders":[${"[".repeat(500_000)}${"]".repeat(500_000)}]}`;
    await expect(ask({ body: row })).rejects.toThrow();
  });
});

test("prototype keys in answers change nothing but what they are", () => {
  const hostile = JSON.parse(
    '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"toString":1,"hasOwnProperty":1}',
  );
  const row = {
    id: 1,
    owner: 1,
    price: { on_demand: hostile, spot: hostile, ...hostile },
    specs: hostile,
    rating: hostile,
  };
  readMarketRow(row);
  readMarketRow({ ...hostile, ...row, original_usd: hostile, allowed_coins: ["__proto__", "constructor"] });
  renterFeesSchema.safeParse({
    renter_fees: { on_demand: hostile, spot: { base: hostile } },
    creation_fees: hostile,
  });
  walletsSchema.safeParse({ wallets: [{ name: "__proto__", balance: 1, deposit: "" }] });
  ordersSchema.safeParse({
    orders: [{ ...hostile, id: 1, si: 1, ct: 1, price: 1, currency: "bitcoin", tcp_ports: ["__proto__:1"] }],
  });
  expect(({} as { polluted?: number }).polluted).toBeUndefined();
});

test("a market of rubbish is skipped row by row: no row breaks the others, none is believed to be free of charge", () => {
  const rubbish = fc.object({
    key: fc.constantFrom(
      "id",
      "owner",
      "price",
      "specs",
      "gpu_array",
      "mrl",
      "on_demand",
      "spot",
      "bitcoin",
      "net",
      "gpuram",
      "usd",
      "x",
      "__proto__",
    ),
    values: [
      fc.double(),
      fc.string({ unit: "binary" }),
      fc.boolean(),
      fc.constant(null),
      fc.constantFrom(-1, 1e308, "1e999", "-5", "NaN"),
    ],
    maxDepth: 4,
  });
  fc.assert(
    fc.property(fc.array(rubbish, { maxLength: 30 }), (rows) => {
      const { servers, skipped } = marketplaceSchema.parse({ servers: rows });
      expect(servers.length + skipped.length).toBe(rows.length);
      for (const server of servers) {
        for (const figure of [
          server.ramGb,
          server.vramGbPerGpu,
          server.diskGb,
          server.downMbps,
          server.reliability,
        ]) {
          expect(Number.isFinite(figure)).toBe(true);
          expect(figure).toBeGreaterThanOrEqual(0);
        }
      }
    }),
    { numRuns: 300 },
  );
});
