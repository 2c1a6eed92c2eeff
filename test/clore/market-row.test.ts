import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readMarketRow } from "../../src/clore/market-row.ts";
import { marketplaceSchema } from "../../src/clore/schemas.ts";
import { currencies, type MarketServer } from "../../src/clore/types.ts";

const captured = JSON.parse(
  readFileSync(new URL("../fixtures/clore/market.rows.json", import.meta.url), "utf8"),
).rows;
const specs = JSON.parse(
  readFileSync(new URL("../fixtures/clore/my_orders.live.json", import.meta.url), "utf8"),
).orders[0].specs;

const whole = {
  id: 88028,
  owner: 2288,
  mrl: 240,
  rented: false,
  reliability: 0.98,
  rating: { avg: 4.64, cnt: 44 },
  cuda_version: "12.4",
  gpu_array: [" RTX 3090"],
  allowed_coins: ["bitcoin", "USD-Blockchain", "dogecoin"],
  price: {
    on_demand: { bitcoin: 0.00007, "USD-Blockchain": 5 },
    spot: { bitcoin: 0 },
    usd: { on_demand_btc: 5.1, spot: 0 },
  },
  specs,
};

test("a whole row, in our units", () => {
  expect(server(whole)).toEqual({
    serverId: 88028,
    ownerId: 2288,
    rented: false,
    gpuModel: "RTX 3090",
    gpus: ["RTX 3090"],
    vramGbPerGpu: 24,
    ramGb: 128.8107,
    cpuModel: "Intel(R) Xeon(R) CPU E5-2699C v4 @ 2.20GHz",
    cpuCores: 44,
    cpuThreads: 88,
    diskGb: 102.4688,
    diskMbPerSecond: 31.54,
    downMbps: 106.23,
    upMbps: 29.35,
    country: "US",
    reliability: 0.98,
    rating: { average: 4.64, count: 44 },
    cudaVersion: "12.4",
    maxRentalHours: 240,
    prices: {
      bitcoin: {
        onDemandPerDay: 0.00007,
        spotPerDay: undefined,
        onDemandPerDayUsd: 5.1,
        spotPerDayUsd: undefined,
      },
      "USD-Blockchain": {
        onDemandPerDay: 5,
        spotPerDay: undefined,
        onDemandPerDayUsd: 5,
        spotPerDayUsd: undefined,
      },
    },
    allowedCurrencies: ["bitcoin", "USD-Blockchain"],
  } satisfies MarketServer);
});

test("a captured row: each currency has its own USD price, and the spot price is not where it is 0", () => {
  expect(server(captured[0]).prices).toEqual({
    bitcoin: {
      onDemandPerDay: 7.227e-5,
      spotPerDay: 5.942e-5,
      onDemandPerDayUsd: 4.499812174010426,
      spotPerDayUsd: 3.7,
    },
    "CLORE-Blockchain": {
      onDemandPerDay: 3343.13,
      spotPerDay: 2841.66,
      onDemandPerDayUsd: 3.999994813934673,
      spotPerDayUsd: 3.4,
    },
    "USD-Blockchain": { onDemandPerDay: 4.5, spotPerDay: 3.7, onDemandPerDayUsd: 4.5, spotPerDayUsd: 3.7 },
  });
  expect(server(captured[0])).toMatchObject({ country: "UA", reliability: 0.5357, gpuModel: "RTX 4090" });
});

test.each<{ name: string; change: object; expected: Partial<MarketServer> }>([
  {
    name: "spaces written x20",
    change: { specs: { disk: "WDCx20WDS500Gx20465.8GB" } },
    expected: { diskGb: 465.8 },
  },
  {
    name: "spaces written \\x20",
    change: { specs: { disk: "KINGSTON\\x20SA400 102.4688GB" } },
    expected: { diskGb: 102.4688 },
  },
  { name: "terabytes", change: { specs: { disk: "NVMe 1.8TB" } }, expected: { diskGb: 1800 } },
  {
    name: "a model that ends in digits, no size",
    change: { specs: { disk: "MZ7LN500" } },
    expected: { diskGb: 0 },
  },
  {
    name: "one figure for the cores",
    change: { specs: { cpus: "8" } },
    expected: { cpuCores: 8, cpuThreads: 8 },
  },
  { name: "half of the cores", change: { specs: { cpus: "8/" } }, expected: { cpuCores: 8, cpuThreads: 8 } },
  {
    name: "no GPU: 0x",
    change: { gpu_array: [], specs: { gpu: "0x", gpuram: 24 } },
    expected: { gpus: [], gpuModel: undefined, vramGbPerGpu: 0 },
  },
  {
    name: "no GPU: nothing said",
    change: { gpu_array: undefined, specs: {} },
    expected: { gpus: [], gpuModel: undefined },
  },
  {
    name: "GPUs only described",
    change: { gpu_array: undefined, specs: { gpu: "2x NVIDIA GeForce RTX 3090" } },
    expected: { gpus: ["RTX 3090", "RTX 3090"] },
  },
  {
    name: "several of a kind named once",
    change: { gpu_array: [" RTX 4090"], specs: { gpu: "2x NVIDIA GeForce RTX 4090" } },
    expected: { gpus: ["RTX 4090", "RTX 4090"] },
  },
  {
    name: "mixed",
    change: { gpu_array: [" RTX 3090", " RTX 3060"], specs: { gpu: "6x Mixed GPUs" } },
    expected: { gpus: ["RTX 3090", "RTX 3060"] },
  },
  {
    name: "a near-miss keeps its own name",
    change: { gpu_array: [" RTX 4090 D"] },
    expected: { gpuModel: "RTX 4090 D" },
  },
  {
    name: "numbers as text",
    change: { id: "12", mrl: "72", reliability: "0.5" },
    expected: { serverId: 12, maxRentalHours: 72, reliability: 0.5 },
  },
  { name: "length in seconds", change: { mrl: 604800 }, expected: { maxRentalHours: 168 } },
  { name: "a lower-case country", change: { specs: { net: { cc: "de" } } }, expected: { country: "DE" } },
  {
    name: "no such country",
    change: { specs: { net: { cc: "\u001b[31m" } } },
    expected: { country: undefined },
  },
  {
    name: "nothing promised",
    change: { specs: null, rating: null, mrl: null, reliability: null },
    expected: {
      ramGb: 0,
      diskGb: 0,
      downMbps: 0,
      vramGbPerGpu: 0,
      reliability: 0,
      maxRentalHours: 0,
      rating: undefined,
    },
  },
  {
    name: "a priced currency that is not allowed",
    change: { allowed_coins: ["CLORE-Blockchain"] },
    expected: { allowedCurrencies: ["CLORE-Blockchain"] },
  },
  {
    name: "no list of allowed currencies",
    change: { allowed_coins: undefined },
    expected: { allowedCurrencies: ["bitcoin", "USD-Blockchain"] },
  },
  {
    name: "USD prices at the top level",
    change: { price: { spot: { bitcoin: 0.1 } }, original_usd: { bitcoin: { spot: 3 } } },
    expected: {
      prices: {
        bitcoin: {
          onDemandPerDay: undefined,
          spotPerDay: 0.1,
          onDemandPerDayUsd: undefined,
          spotPerDayUsd: 3,
        },
      },
    },
  },
  {
    name: "a spot price in USD that only the rate gives",
    change: {
      price: { on_demand: { bitcoin: 2 }, spot: { bitcoin: 1 }, usd: { on_demand_btc: 8, spot: 0 } },
    },
    expected: {
      prices: { bitcoin: { onDemandPerDay: 2, spotPerDay: 1, onDemandPerDayUsd: 8, spotPerDayUsd: 4 } },
    },
  },
])("reads $name", ({ change, expected }) => {
  expect(server({ ...whole, ...change })).toMatchObject(expected);
});

test.each([
  { name: "no row", row: null, id: undefined, reason: /^row: / },
  { name: "no id", row: { ...whole, id: undefined }, id: undefined, reason: /^id: / },
  { name: "rubbish for rented", row: { ...whole, rented: "perhaps" }, id: 88028, reason: /^rented: / },
  { name: "no price", row: { ...whole, price: undefined }, id: 88028, reason: /^price: / },
  {
    name: "only zeros",
    row: { ...whole, price: { on_demand: { bitcoin: 0 } } },
    id: 88028,
    reason: /^price: none above 0$/,
  },
  {
    name: "a negative price",
    row: { ...whole, price: { on_demand: { bitcoin: -1 } } },
    id: 88028,
    reason: /^price\.on_demand\.bitcoin: not a price$/,
  },
  {
    name: "a word for a price",
    row: { ...whole, price: { on_demand: { bitcoin: 1 }, spot: { "USD-Blockchain": "cheap" } } },
    id: 88028,
    reason: /^price\.spot\.USD-Blockchain: not a price$/,
  },
])("skips a row with $name, and says why", ({ row, id, reason }) => {
  const result = readMarketRow(row);
  expect(result).toMatchObject({ ok: false, serverId: id });
  expect((result as { reason: string }).reason).toMatch(reason);
});

test("the marketplace keeps the good rows, counts the bad ones and those listed twice", () => {
  const answer = { code: 0, servers: [whole, 7, { id: 5 }, whole, captured[0]], my_servers: [1, "x", "2"] };
  const market = marketplaceSchema.parse(answer);
  expect(market.servers.map(({ serverId }) => serverId)).toEqual([88028, 111947]);
  expect(market.skipped.map(({ serverId }) => serverId)).toEqual([undefined, 5, 88028]);
  expect(market.skipped[2]!.reason).toBe("id: listed twice");
  expect(market.ownServerIds).toEqual([1, 2]);
});

describe("whatever strangers write", () => {
  const rubbish = fc.anything({ withNullPrototype: true, withBigInt: false });
  const keys = Object.keys(whole) as (keyof typeof whole)[];

  test("never throws, and what is read is finite and not negative", () => {
    const damaged = fc
      .tuple(
        fc.subarray(keys),
        fc.array(rubbish, { minLength: keys.length, maxLength: keys.length }),
        rubbish,
        fc.constantFrom(...Object.keys(specs)),
      )
      .map(([broken, values, value, spec]) => ({
        ...whole,
        specs: { ...specs, [spec]: value },
        ...Object.fromEntries(broken.map((key, index) => [key, values[index]])),
      }));
    fc.assert(
      fc.property(fc.oneof(rubbish, fc.jsonValue(), damaged), (row) => {
        const result = readMarketRow(row);
        if (!result.ok) {
          expect(result.reason).toBeTypeOf("string");
          return;
        }
        const { server: read } = result;
        for (const figure of [
          read.vramGbPerGpu,
          read.ramGb,
          read.cpuCores,
          read.cpuThreads,
          read.diskGb,
          read.downMbps,
          read.upMbps,
          read.maxRentalHours,
        ]) {
          expect(Number.isFinite(figure) && figure >= 0).toBe(true);
        }
        expect(read.reliability >= 0 && read.reliability <= 1).toBe(true);
        for (const price of Object.values(read.prices).flatMap((each) => Object.values(each))) {
          if (price !== undefined) expect(Number.isFinite(price) && price > 0).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  test("figures come out in the unit they are named after", () => {
    const size = fc.integer({ min: 1, max: 99_999 }).map((n) => n / 10);
    const word = fc.stringMatching(/^[A-Za-z]{1,8}[0-9]{0,4}$/);
    fc.assert(
      fc.property(
        fc.record({
          id: fc.integer({ min: 1, max: 1e9 }),
          hours: fc.integer({ min: 6, max: 3000 }),
          inSeconds: fc.boolean(),
          cores: fc.integer({ min: 1, max: 256 }),
          threads: fc.integer({ min: 1, max: 512 }),
          disk: size,
          model: fc.array(word, { maxLength: 3 }),
          space: fc.constantFrom(" ", "x20", "\\x20"),
          down: size,
          price: fc.double({ min: 1e-9, max: 1e6, noNaN: true }),
          currency: fc.constantFrom(...currencies),
          asText: fc.boolean(),
        }),
        (want) => {
          const figure = (value: number) => (want.asText ? String(value) : value);
          const read = server({
            id: figure(want.id),
            mrl: figure(want.inSeconds ? want.hours * 3600 : want.hours),
            price: { on_demand: { [want.currency]: figure(want.price) } },
            specs: {
              cpus: `${want.cores}/${want.threads}`,
              disk: [...want.model, `${want.disk}GB`].join(want.space),
              net: { down: figure(want.down) },
            },
          });
          expect([
            read.serverId,
            read.maxRentalHours,
            read.cpuCores,
            read.cpuThreads,
            read.diskGb,
            read.downMbps,
          ]).toEqual([want.id, want.hours, want.cores, want.threads, want.disk, want.down]);
          expect(read.prices[want.currency]!.onDemandPerDay).toBe(want.price);
        },
      ),
    );
  });
});

function server(row: unknown): MarketServer {
  const result = readMarketRow(row);
  if (!result.ok) throw new Error(result.reason);
  return result.server;
}
