import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { RenterFees } from "../../src/clore/types.ts";
import { formatSeconds, parseHours } from "../../src/cost/duration.ts";
import { feesFor } from "../../src/cost/fees.ts";
import { costToFinish, rentUsd } from "../../src/cost/finish.ts";
import { formatUsd, perDay, perHour } from "../../src/cost/price.ts";
import { geminiFlashLitePrices, tokenCostUsd } from "../../src/cost/tokens.ts";

const onDemand = feesFor("on-demand", "USD-Blockchain", undefined, undefined);
const stated: RenterFees = {
  onDemandShare: { bitcoin: 0.1 },
  spotShare: { bitcoin: 0.02 },
  creationFee: { onDemand: { bitcoin: 2e-6 }, spot: {} },
};

describe("fees", () => {
  test("as documented where the service was not asked: 5 % on demand, 1.25 % on spot, 0.10 USD once", () => {
    expect(onDemand).toEqual({ share: 0.05, creationUsd: 0.1 });
    expect(feesFor("spot", "bitcoin", undefined, 60_000)).toEqual({ share: 0.0125, creationUsd: 0.1 });
  });

  test("as stated, with the creation fee in its own currency; what is missing as documented", () => {
    expect(feesFor("on-demand", "bitcoin", stated, 60_000)).toEqual({ share: 0.1, creationUsd: 0.12 });
    expect(feesFor("spot", "bitcoin", stated, 60_000)).toEqual({ share: 0.02, creationUsd: 0.1 });
    expect(feesFor("on-demand", "USD-Blockchain", stated, 1)).toEqual(onDemand);
    expect(feesFor("on-demand", "bitcoin", stated, undefined).creationUsd).toBe(0.1);
  });

  test("no creation fee within the first 10 minutes", () => {
    const rental = { pricePerDayUsd: 24, fees: onDemand };
    expect(rentUsd(rental, 10 / 60)).toBeCloseTo(1.05 / 6, 10);
    expect(rentUsd(rental, 11 / 60)).toBeCloseTo((11 / 60) * 1.05 + 0.1, 10);
  });
});

describe("cost to finish", () => {
  test("rent until ready and while running, the share and the creation fee", () => {
    const cost = costToFinish({
      pricePerDayUsd: 2.4,
      fees: onDemand,
      hoursToReady: 0.5,
      runHours: 8,
      failureChance: 0,
    });
    expect(cost).toEqual({
      totalUsd: expect.closeTo(0.9925, 10),
      plainUsd: expect.closeTo(0.9925, 10),
      expectedLossUsd: 0,
    });
  });

  test("a host that fails every second time loses one try: until ready, and half of the run", () => {
    const cost = costToFinish({
      pricePerDayUsd: 2.4,
      fees: onDemand,
      hoursToReady: 0.5,
      runHours: 8,
      failureChance: 0.5,
    });
    expect(cost.expectedLossUsd).toBeCloseTo(4.5 * 0.1 * 1.05 + 0.1, 10);
    expect(cost.totalUsd).toBeCloseTo(cost.plainUsd + cost.expectedLossUsd, 10);
  });

  test("is finite and never falls with chance, time or price", () => {
    const amount = fc.double({ min: 0, max: 1000, noNaN: true });
    const chance = fc.double({ min: -1, max: 2, noNaN: true });
    fc.assert(
      fc.property(
        amount,
        amount,
        amount,
        chance,
        amount,
        (pricePerDayUsd, hoursToReady, runHours, failureChance, more) => {
          const rental = { pricePerDayUsd, fees: onDemand, hoursToReady, runHours, failureChance };
          const { totalUsd } = costToFinish(rental);
          expect(Number.isFinite(totalUsd)).toBe(true);
          for (const worse of [
            { ...rental, pricePerDayUsd: pricePerDayUsd + more },
            { ...rental, hoursToReady: hoursToReady + more },
            { ...rental, runHours: runHours + more },
            { ...rental, failureChance: failureChance + more },
          ]) {
            expect(costToFinish(worse).totalUsd).toBeGreaterThanOrEqual(totalUsd - 1e-9);
          }
        },
      ),
    );
  });
});

test("prices are per day; the guide's 1.20 USD per hour is 28.80 per day", () => {
  expect(perDay(1.2)).toBeCloseTo(28.8, 10);
  expect(perHour(2)).toBeCloseTo(0.08333, 4);
});

test.each([
  [4.5, "4.50 USD"],
  [0, "0.00 USD"],
  [0.0042, "0.0042 USD"],
  [0.001388888888888889, "0.0014 USD"],
])("%f is written %s", (amount, text) => {
  expect(formatUsd(amount)).toBe(text);
});

test.each([
  ["8h", 8],
  ["90m", 1.5],
  ["1d12h", 36],
  ["1.5h", 1.5],
  ["3600s", 1],
  ["8", undefined],
  ["h", undefined],
  ["0h", undefined],
  ["-8h", undefined],
  ["8 h", undefined],
  ["8hours", undefined],
])("the time %s is %s hours", (text, hours) => {
  expect(parseHours(text)).toBe(hours);
});

test.each([
  [12, "12 s"],
  [59.9 * 60, "1 h"],
  [384, "6 min"],
  [5400, "1 h 30 min"],
  [7200, "2 h"],
  [200_000, "2 d 8 h"],
])("%f seconds are written %s", (seconds, text) => {
  expect(formatSeconds(seconds)).toBe(text);
});

test("1 B tokens at 3:1 cost 562.50 USD at Google and 450 at CometAPI", () => {
  const tokens = { input: 750e6, output: 250e6 };
  expect(tokenCostUsd(tokens, geminiFlashLitePrices.google)).toBeCloseTo(562.5, 10);
  expect(tokenCostUsd(tokens, geminiFlashLitePrices.cometapi)).toBeCloseTo(450, 10);
});
