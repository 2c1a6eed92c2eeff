import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { MarketServer, Wallet } from "../../src/clore/types.ts";
import { remember } from "../../src/market/memory.ts";
import { offersOf } from "../../src/market/offers.ts";
import type { OfferRequest } from "../../src/market/request.ts";
import { funnelText, select } from "../../src/market/select.ts";
import type { SelectContext } from "../../src/market/steps.ts";
import { anyMarket, anyRequest, context, price, server, usd } from "./servers.ts";

interface Case {
  rule: string;
  request: OfferRequest;
  /** Passes. */
  takes: Partial<MarketServer>;
  /** Does not. */
  leaves: Partial<MarketServer>;
  context?: Partial<SelectContext>;
}

const wallet = (currency: string, balance: number): Wallet => ({
  currency,
  balance,
  depositAddress: undefined,
});

test.each<Case>([
  { rule: "free ones only", request: {}, takes: {}, leaves: { rented: true } },
  { rule: "not our own", request: {}, takes: {}, leaves: {}, context: { ownServerIds: [2] } },
  { rule: "not the excluded ones", request: { excludeServerIds: [2] }, takes: {}, leaves: {} },
  { rule: "a 4090 D is no 4090", request: { gpu: "RTX 4090" }, takes: {}, leaves: { gpus: ["RTX 4090 D"] } },
  {
    rule: "a 4090 is no 4090 D",
    request: { gpu: "RTX 4090 D" },
    takes: { gpus: ["RTX 4090 D"] },
    leaves: {},
  },
  {
    rule: "any class of a list",
    request: { gpu: ["RTX 4090", "rtx 3090", "RTX 6000 Ada"] },
    takes: { gpus: ["RTX 6000 Ada Generation"] },
    leaves: { gpus: ["RTX 4090 D"] },
  },
  {
    rule: "one GPU of a list unless said otherwise",
    request: { gpu: ["RTX 4090", "RTX 3090"] },
    takes: { gpus: ["RTX 3090"] },
    leaves: { gpus: ["RTX 3090", "RTX 3090"] },
  },
  {
    rule: "no machine with two classes of a list",
    request: { gpu: ["RTX 4090", "RTX 3090"], gpuCount: 2 },
    takes: { gpus: ["RTX 3090", "RTX 3090"] },
    leaves: { gpus: ["RTX 4090", "RTX 3090"] },
  },
  {
    rule: "case and spaces do not count",
    request: { gpu: " rtx3060 " },
    takes: { gpus: ["RTX 3060"] },
    leaves: { gpus: ["RTX 3060 Ti"] },
  },
  {
    rule: "a laptop chip is another class",
    request: { gpu: "RTX 3070" },
    takes: { gpus: ["RTX 3070"] },
    leaves: { gpus: ["RTX 3070 Laptop GPU"] },
  },
  {
    rule: "an alias is the same class",
    request: { gpu: "RTX 6000 Ada" },
    takes: { gpus: ["RTX 6000 Ada Generation"] },
    leaves: { gpus: ["RTX A6000"] },
  },
  {
    rule: "a class unknown to the catalog is matched by its own name",
    request: { gpu: "RTX 9999" },
    takes: { gpus: ["rtx 9999"] },
    leaves: { gpus: ["RTX 9999 Ti"] },
  },
  {
    rule: "one GPU unless said otherwise",
    request: { gpu: "RTX 4090" },
    takes: {},
    leaves: { gpus: ["RTX 4090", "RTX 4090"] },
  },
  {
    rule: "exactly as many GPUs as asked",
    request: { gpu: "RTX 4090", gpuCount: 2 },
    takes: { gpus: ["RTX 4090", "RTX 4090"] },
    leaves: {},
  },
  {
    rule: "no mixed machine",
    request: { gpuCount: 2 },
    takes: { gpus: ["RTX 3090", "RTX 3090"] },
    leaves: { gpus: ["RTX 4090", "RTX 3080"] },
  },
  {
    rule: "no machine that calls itself mixed",
    request: { minVramGb: 12 },
    takes: {},
    leaves: { gpus: ["Mixed GPUs", "Mixed GPUs"] },
  },
  {
    rule: "a mixed machine when allowed",
    request: { gpu: "RTX 4090", allowMixedGpus: true },
    takes: { gpus: ["RTX 4090", "RTX 3080"] },
    leaves: { gpus: ["RTX 3080", "RTX 3080"] },
  },
  {
    rule: "an RTX 3060 with 12 GB, not 8",
    request: { gpu: "RTX 3060", minVramGb: 12 },
    takes: { gpus: ["RTX 3060"], vramGbPerGpu: 12 },
    leaves: { gpus: ["RTX 3060"], vramGbPerGpu: 8 },
  },
  {
    rule: "VRAM needs a GPU",
    request: { minVramGb: 8 },
    takes: {},
    leaves: { gpus: [], vramGbPerGpu: 24 },
  },
  { rule: "RAM", request: { minRamGb: 64 }, takes: { ramGb: 64 }, leaves: { ramGb: 63.9 } },
  { rule: "disk", request: { minDiskGb: 50 }, takes: { diskGb: 50 }, leaves: { diskGb: 49 } },
  { rule: "cores", request: { minCpuCores: 8 }, takes: { cpuCores: 8 }, leaves: { cpuCores: 7 } },
  {
    rule: "download speed",
    request: { minDownMbps: 50 },
    takes: { downMbps: 50 },
    leaves: { downMbps: 49.9 },
  },
  { rule: "upload speed", request: { minUpMbps: 20 }, takes: { upMbps: 20 }, leaves: { upMbps: 19 } },
  {
    rule: "reliability",
    request: { minReliability: 0.97 },
    takes: { reliability: 0.97 },
    leaves: { reliability: 0.5 },
  },
  {
    rule: "wanted countries",
    request: { countries: ["de"] },
    takes: { country: "DE" },
    leaves: { country: "US" },
  },
  {
    rule: "no unknown country for a wanted one",
    request: { countries: ["US"] },
    takes: {},
    leaves: { country: undefined },
  },
  { rule: "unwanted countries", request: { excludeCountries: ["ua"] }, takes: {}, leaves: { country: "UA" } },
  {
    rule: "long enough",
    request: { leaseHours: 100 },
    takes: { maxRentalHours: 100 },
    leaves: { maxRentalHours: 72 },
  },
  {
    rule: "a price cap",
    request: { maxPricePerDay: 5 },
    takes: { prices: usd(5) },
    leaves: { prices: usd(5.01) },
  },
  {
    rule: "a price on the wanted market",
    request: { market: "spot" },
    takes: { prices: usd(5, 4) },
    leaves: { prices: usd(5, 0) },
  },
  {
    rule: "a priced currency must be accepted too",
    request: {},
    takes: {},
    leaves: { prices: usd(1), allowedCurrencies: ["bitcoin"] },
  },
  {
    rule: "the named currency",
    request: { currency: "USD-Blockchain" },
    takes: {},
    leaves: { prices: { bitcoin: price(1e-4, 1e-4, 5, 5) }, allowedCurrencies: ["bitcoin"] },
  },
  {
    rule: "a wallet that lasts for the first hours",
    request: {},
    takes: { prices: usd(5) },
    leaves: { prices: usd(6) },
    // 6 h of 5 USD/day and 5 % are 1.3125, the creation fee 0.10.
    context: { wallets: [wallet("USD-Blockchain", 1.42)] },
  },
  {
    rule: "a bid not below what is asked",
    request: { market: "spot", bidPricePerDay: 4 },
    takes: { prices: usd(9, 4) },
    leaves: { prices: usd(9, 4.1) },
  },
  {
    rule: "no host that has just failed",
    request: {},
    takes: {},
    leaves: {},
    context: { now: 0, memory: remember({}, { serverId: 2, at: 0, kind: "failure", reason: "ssh.reset" }) },
  },
])("takes $rule", ({ request, takes, leaves, context: extra }) => {
  const found = select([server(1, takes), server(2, leaves)], request, { ...context, ...extra });
  expect(found.offers.map((o) => o.serverId)).toEqual([1]);
});

describe("prices", () => {
  const twoCurrencies = server(111947, {
    prices: {
      "USD-Blockchain": price(4.5, 3.7, 4.5, 3.7),
      "CLORE-Blockchain": price(3343.13, 2841.66, 4, 3.4),
    },
    allowedCurrencies: ["USD-Blockchain", "CLORE-Blockchain"],
  });

  test("the same host is cheaper in another currency: that one is taken", () => {
    const [offer] = select([twoCurrencies], {}, context).offers;
    expect(offer).toMatchObject({ currency: "CLORE-Blockchain", pricePerDay: 3343.13, pricePerDayUsd: 4 });
  });

  test("the cheaper currency is left when its wallet is empty", () => {
    const wallets = [wallet("USD-Blockchain", 50), wallet("CLORE-Blockchain", 0)];
    const [offer] = select([twoCurrencies], {}, { ...context, wallets }).offers;
    expect(offer?.currency).toBe("USD-Blockchain");
  });

  test("a spot price of 0 USD beside a real one is computed from the rate of the on-demand price", () => {
    const lying = server(1, {
      prices: { bitcoin: price(2e-4, 1e-4, 12, 0) },
      allowedCurrencies: ["bitcoin"],
    });
    expect(offersOf(lying, "spot")).toMatchObject([{ pricePerDay: 1e-4, pricePerDayUsd: 6 }]);
  });

  test("a price whose worth nobody states is no offer", () => {
    const vague = server(1, { prices: { bitcoin: price(2e-4, 1e-4) }, allowedCurrencies: ["bitcoin"] });
    expect(offersOf(vague, "on-demand")).toEqual([]);
  });

  test("a bid is what is paid, in the currency of the offer", () => {
    const [offer] = select([twoCurrencies], { market: "spot", bidPricePerDay: 3.5 }, context).offers;
    expect(offer).toMatchObject({
      currency: "CLORE-Blockchain",
      pricePerDayUsd: 3.5,
      listedPricePerDayUsd: 3.4,
    });
    expect(offer!.pricePerDay).toBeCloseTo(3.5 / (3.4 / 2841.66), 6);
  });
});

test("the funnel says in one line what each filter left, and hides what removed nothing unasked", () => {
  const servers = [
    ...Array.from({ length: 1200 }, (_, i) => server(i + 1, { gpus: ["RTX 3090"] })),
    server(2001, { downMbps: 20 }),
    server(2002, { prices: usd(9) }),
    server(2003),
    server(2004, { rented: true }),
  ];
  const found = select(servers, { gpu: "RTX 4090", minDownMbps: 50, maxPricePerDay: 6 }, context);
  expect(funnelText(found)).toBe("1,203 free · 3 RTX 4090 · 2 with ≥ 50 Mbps · 1 up to 6 USD/day");
});

test("a server is counted by the filter that stopped the offer that got furthest", () => {
  // CLORE can be paid and is too dear; USD fails a filter earlier, at its empty wallet.
  const prices = { "CLORE-Blockchain": price(3343, 0, 4, 0), "USD-Blockchain": price(4.5, 0, 4.5, 0) };
  const host = server(1, { prices, allowedCurrencies: ["CLORE-Blockchain", "USD-Blockchain"] });
  const wallets = [wallet("CLORE-Blockchain", 1e6), wallet("USD-Blockchain", 0)];
  const found = select([host], { maxPricePerDay: 3 }, { ...context, wallets });
  expect(found.funnel.slice(-2)).toMatchObject([
    { label: "payable for 6 h from the wallets", remaining: 1 },
    { label: "up to 3 USD/day", remaining: 0 },
  ]);
});

test("a server without a price in a currency that it accepts is counted as that", () => {
  const host = server(1, { prices: usd(1), allowedCurrencies: ["bitcoin"] });
  expect(funnelText(select([host], {}, context))).toBe("1 free · 0 priced on demand");
  expect(funnelText(select([host], { maxPricePerDay: 6 }, context))).toBe("1 free · 0 priced on demand");
});

describe("whatever the market and the request", () => {
  const wallets = fc.option(
    fc.constant([wallet("USD-Blockchain", 3), wallet("bitcoin", 1e-4), wallet("CLORE-Blockchain", 0)]),
    { nil: undefined },
  );

  test("every server is offered or counted by exactly one filter", () => {
    fc.assert(
      fc.property(anyMarket, anyRequest, wallets, (servers, request, w) => {
        const { offers, funnel } = select(servers, request, { ...context, wallets: w });
        const removed = funnel.slice(1).map((step, i) => funnel[i]!.remaining - step.remaining);
        expect(removed.every((count) => count >= 0)).toBe(true);
        expect(removed.reduce((a, b) => a + b, 0) + offers.length).toBe(servers.length);
        expect(funnel.at(-1)!.remaining).toBe(offers.length);
        expect(new Set(offers.map((o) => o.serverId)).size).toBe(offers.length);
      }),
    );
  });

  test("the cap is never exceeded, and the currency is one that the host accepts", () => {
    fc.assert(
      fc.property(anyMarket, anyRequest, wallets, (servers, request, w) => {
        for (const offer of select(servers, request, { ...context, wallets: w }).offers) {
          expect(offer.pricePerDayUsd).toBeLessThanOrEqual(
            request.maxPricePerDay ?? Number.POSITIVE_INFINITY,
          );
          expect(offer.server.allowedCurrencies).toContain(offer.currency);
          expect(offer.pricePerDayUsd).toBeGreaterThan(0);
          expect(offer.server.rented).toBe(false);
        }
      }),
    );
  });

  test("asking for more never adds an offer", () => {
    const harder = (request: OfferRequest): OfferRequest[] => [
      { ...request, minDownMbps: (request.minDownMbps ?? 0) + 100 },
      { ...request, minReliability: Math.min(1, (request.minReliability ?? 0) + 0.2) },
      { ...request, minVramGb: (request.minVramGb ?? 0) + 4 },
      { ...request, maxPricePerDay: (request.maxPricePerDay ?? 60) / 2 },
      { ...request, leaseHours: (request.leaseHours ?? 1) + 100 },
      { ...request, countries: ["DE"], excludeCountries: ["US", ...(request.excludeCountries ?? [])] },
      {
        ...request,
        currency:
          request.currency === undefined || request.currency === "auto" ? "bitcoin" : request.currency,
      },
      { ...request, excludeServerIds: [...(request.excludeServerIds ?? []), 1, 2, 3, 4, 5] },
    ];
    fc.assert(
      fc.property(anyMarket, anyRequest, (servers, wide) => {
        // Countries are replaced above, so only a request that allowed DE before gets harder.
        const request = { ...wide, countries: wide.countries && [...wide.countries, "DE"] };
        const before = new Set(select(servers, request, context).offers.map((o) => o.serverId));
        for (const tighter of harder(request)) {
          for (const offer of select(servers, tighter, context).offers)
            expect(before).toContain(offer.serverId);
        }
      }),
    );
  });
});
