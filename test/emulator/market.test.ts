import { describe, expect, test } from "vitest";
import { generateMarket } from "../../src/emulator/market/generate.ts";
import type { Row } from "../../src/emulator/market/rows.ts";

const market = generateMarket(1, 2100) as Row[];
const sound = market.filter(
  (row) =>
    row.specs?.net && typeof row.price?.on_demand?.bitcoin === "number" && Array.isArray(row.gpu_array),
);
const usd = (row: Row) => row.price.on_demand["USD-Blockchain"];
const free = sound.filter((row) => !row.rented);

describe("the market", () => {
  test("is the same for the same seed and another for another", () => {
    expect(generateMarket(1, 2100)).toEqual(market);
    expect(generateMarket(2, 2100)).not.toEqual(market);
  });

  test("has the captured size and shares", () => {
    expect(market.length).toBeGreaterThan(2095);
    expect(market.length).toBeLessThan(2120);
    expect(free.length / market.length).toBeCloseTo(1193 / 2040, 1);
    const priced = sound.filter((row) => usd(row) !== undefined);
    expect(priced.length / market.length).toBeCloseTo(1156 / 2098, 1);
    const trap = priced.filter((row) => !row.allowed_coins?.includes("USD-Blockchain"));
    expect(trap.length / priced.length).toBeGreaterThan(0.04);
    expect(trap.length / priced.length).toBeLessThan(0.1);
  });

  test("prices a free single RTX 4090 as captured: 1.36 to 56, median about 7.84", () => {
    const prices = free
      .filter((row) => row.gpu_array?.length === 1 && row.gpu_array[0] === " RTX 4090")
      .flatMap((row) => usd(row) ?? [])
      .toSorted((a, b) => a - b);
    expect(prices.length).toBeGreaterThan(60);
    expect(prices[0]).toBeGreaterThanOrEqual(1.36);
    expect(prices.at(-1)).toBeLessThanOrEqual(56);
    expect(prices[Math.floor(prices.length / 2)]).toBeGreaterThan(6.5);
    expect(prices[Math.floor(prices.length / 2)]).toBeLessThan(9.2);
  });

  test.each([
    " RTX 3060",
    " RTX 3060 Ti",
    " RTX 3080",
    " RTX 3090",
    " RTX 4090",
    " RTX 4090 D",
    " RTX 5090",
    " L40S",
  ])("has%s, with the leading space", (name) => {
    expect(sound.some((row) => row.gpu_array?.includes(name))).toBe(true);
  });

  test("has RTX 3060 and 3080 with two sizes of memory", () => {
    const sizes = (name: string) =>
      new Set(sound.filter((row) => row.gpu_array?.[0] === name).map((row) => row.specs.gpuram));
    expect(sizes(" RTX 3060")).toEqual(new Set([8, 12]));
    expect(sizes(" RTX 3080")).toEqual(new Set([10, 12]));
  });

  test("has servers for cents a day", () => {
    expect(free.filter((row) => (usd(row) ?? 9) < 0.3).length).toBeGreaterThan(10);
  });

  test("has the quirks of real rows", () => {
    const some = (quirk: (row: Row) => unknown) => expect(market.filter(quirk).length).toBeGreaterThan(2);
    some((row) => row.specs?.disk?.includes("x20"));
    some((row) => row.specs?.gpu?.includes("Mixed GPUs"));
    some((row) => row.rating === undefined && row.cuda_version === undefined);
    some((row) => row.gigaspot);
    some(
      (row) => row.specs && row.specs.disk_speed === undefined && row.specs.net?.test_history === undefined,
    );
    some((row) => row.price?.usd?.spot === 0 && (row.price.original_usd?.bitcoin?.spot ?? 0) > 0);
  });

  test("holds the captured rows with their own prices", () => {
    const row = market.find((one) => one.id === 111947)!;
    expect(row).toMatchObject({
      reliability: 0.5357,
      price: { usd: { on_demand_clore: 3.999994813934673 } },
    });
    expect(market.find((one) => one.id === 88028)).toMatchObject({
      specs: { cpus: "44/88" },
      gpu_array: [" RTX 3090"],
    });
  });
});

describe("overrides", () => {
  test("change a row that is there, leaf by leaf", () => {
    const [row] = (
      generateMarket(1, 2100, [{ id: 112576, rented: true, specs: { net: { down: 5 } } }]) as Row[]
    ).filter((one) => one.id === 112576);
    expect(row).toMatchObject({ rented: true, specs: { net: { down: 5, cc: "JP" } } });
    expect(row?.price.on_demand["USD-Blockchain"]).toBe(4);
  });

  test("add a plain free RTX 3090 where the id is new", () => {
    expect(generateMarket(1, 0, [{ id: 7, gpu_array: [" RTX 4090"] }])).toMatchObject([
      {
        id: 7,
        rented: false,
        gpu_array: [" RTX 4090"],
        price: { on_demand: { "USD-Blockchain": 3.5 } },
        reliability: 1,
      },
    ]);
  });
});
