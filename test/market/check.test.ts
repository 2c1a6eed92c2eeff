import { expect, test } from "vitest";
import { checkOfferRequest } from "../../src/market/check.ts";
import type { OfferRequest } from "../../src/market/request.ts";
import { catalog } from "./servers.ts";

interface Case {
  name: string;
  request: Record<string, unknown>;
  path: string;
  problem: string | RegExp;
}

test.each<Case>([
  {
    name: "digits swapped",
    request: { gpu: "RTX 4900" },
    path: "gpu",
    problem:
      'no GPU class is called "RTX 4900"; nearest: "RTX 4090", "RTX 3090", "RTX 4090 D"; others can be added in a catalog file of your own, named by CLORE_CATALOG',
  },
  {
    name: "one of several",
    request: { gpu: ["RTX 3090", "RTX 4900"] },
    path: "gpu[1]",
    problem: /^no GPU class is called "RTX 4900"; nearest: "RTX 4090"/,
  },
  { name: "a list of none", request: { gpu: [] }, path: "gpu", problem: /leave it out to allow all/ },
  {
    name: "more VRAM than any of the classes is sold with",
    request: { gpu: ["RTX 3060", "RTX 3090"], minVramGb: 25 },
    path: "minVramGb",
    problem: "of these classes the largest has 24 GB at most, not 25",
  },
  {
    name: "a cap that is too low for all of the classes",
    request: { gpu: ["RTX 3090", "RTX 4090"], maxPricePerDay: 0.5 },
    path: "maxPricePerDay",
    problem: /^no RTX 3090 is that cheap/,
  },
  { name: "only the number", request: { gpu: "4090" }, path: "gpu", problem: /nearest: "RTX 4090", / },
  {
    name: "no GPU at all",
    request: { gpuCount: 0 },
    path: "gpuCount",
    problem: /write 1 or more, or leave it and gpu out/,
  },
  { name: "half a GPU", request: { gpuCount: 1.5 }, path: "gpuCount", problem: /^1.5 is no number of GPUs/ },
  {
    name: "more VRAM than the class is sold with",
    request: { gpu: "RTX 3060", minVramGb: 16 },
    path: "minVramGb",
    problem: "an RTX 3060 has 12 GB at most, not 16",
  },
  {
    name: "negative RAM",
    request: { minRamGb: -1 },
    path: "minRamGb",
    problem: "-1 is no amount: write GB, 0 or more",
  },
  {
    name: "speed that is no number",
    request: { minDownMbps: Number.NaN },
    path: "minDownMbps",
    problem: /^NaN is no amount: write Mbps/,
  },
  {
    name: "percent",
    request: { minReliability: 97 },
    path: "minReliability",
    problem: "write 0.97, not 97 (it is 0 to 1)",
  },
  {
    name: "negative reliability",
    request: { minReliability: -0.1 },
    path: "minReliability",
    problem: "write 0 to 1, like 0.97",
  },
  {
    name: "UK",
    request: { countries: ["UK"] },
    path: "countries[0]",
    problem: '"UK" is no ISO 3166 country code; did you mean GB (United Kingdom)?',
  },
  {
    name: "a country's name",
    request: { countries: ["US", "Germany"] },
    path: "countries[1]",
    problem: /DE \(Germany\)/,
  },
  {
    name: "a misspelt name",
    request: { excludeCountries: ["Untied States"] },
    path: "excludeCountries[0]",
    problem: /US \(United States\)/,
  },
  {
    name: "no country left",
    request: { countries: [] },
    path: "countries",
    problem: /leave it out to allow all/,
  },
  {
    name: "wanted and excluded",
    request: { countries: ["DE"], excludeCountries: ["de"] },
    path: "excludeCountries",
    problem: "DE is both wanted and excluded",
  },
  {
    name: "a cap of 0",
    request: { maxPricePerDay: 0 },
    path: "maxPricePerDay",
    problem: /^0 rents nothing: write USD per day above 0/,
  },
  {
    name: "a negative cap",
    request: { maxPricePerDay: -3 },
    path: "maxPricePerDay",
    problem: /^-3 rents nothing/,
  },
  {
    name: "a cap per hour, by the captured prices",
    request: { gpu: "RTX 4090", maxPricePerDay: 1.2 },
    path: "maxPricePerDay",
    problem:
      "no RTX 4090 is that cheap: the lowest of 83 on demand on 2026-07-13 was 1.36 USD/day; prices are per day; 1.2 USD per hour is 28.8 USD per day",
  },
  {
    name: "a cap per hour for two, by their own captured prices",
    request: { gpu: "RTX 4090", gpuCount: 2, maxPricePerDay: 2 },
    path: "maxPricePerDay",
    problem: /the lowest of 15 on demand on 2026-07-13 was 3 USD\/day/,
  },
  {
    name: "a guide's price per hour where nothing was captured",
    request: { gpu: "RTX 3060", maxPricePerDay: 0.25 },
    path: "maxPricePerDay",
    problem: /^that is a price per hour \(guides name 0.25 USD\/h for RTX 3060\); .* 6 USD per day$/,
  },
  {
    name: "a guide's price per hour without a GPU",
    request: { maxPricePerDay: 0.05 },
    path: "maxPricePerDay",
    problem: /guides name 0.05 USD\/h for a server without a GPU/,
  },
  {
    name: "a bid per hour",
    request: { gpu: "RTX 3090", market: "spot", bidPricePerDay: 0.15 },
    path: "bidPricePerDay",
    problem: /^no RTX 3090 is that cheap/,
  },
  {
    name: "a bid on demand",
    request: { bidPricePerDay: 3 },
    path: "bidPricePerDay",
    problem: /set market to "spot"/,
  },
  {
    name: "a bid above the cap",
    request: { market: "spot", bidPricePerDay: 7, maxPricePerDay: 6 },
    path: "bidPricePerDay",
    problem: "7 is above maxPricePerDay (6)",
  },
  {
    name: "an unknown market",
    request: { market: "spt" },
    path: "market",
    problem: '"spt" is no market: write "on-demand" or "spot"',
  },
  {
    name: "plain USD",
    request: { currency: "USD" },
    path: "currency",
    problem: /write "auto", "bitcoin", .*"USD-Blockchain"/,
  },
  { name: "a lease of 0", request: { leaseHours: 0 }, path: "leaseHours", problem: /^0 h cannot be rented/ },
  { name: "a lease for years", request: { leaseHours: 9000 }, path: "leaseHours", problem: /at most 3000$/ },
  {
    name: "a server that is no number",
    request: { excludeServerIds: [12, 1.5] },
    path: "excludeServerIds[1]",
    problem: "write a server's number",
  },
])("$name", ({ request, path, problem }) => {
  const problems = checkOfferRequest(request as OfferRequest, catalog);
  expect(problems).toEqual([
    { path, problem: typeof problem === "string" ? problem : expect.stringMatching(problem) },
  ]);
});

test.each<OfferRequest>([
  {},
  {
    gpu: "rtx 4090 d",
    gpuCount: 4,
    minVramGb: 24,
    countries: ["de", "US"],
    maxPricePerDay: 40,
    currency: "auto",
  },
  // The market moves: a little below the lowest captured price is a hope, not a mistake.
  { gpu: "RTX 3090", maxPricePerDay: 2 },
  // Spot is cheaper than what was captured on demand.
  { gpu: "RTX 4090", market: "spot", maxPricePerDay: 1, bidPricePerDay: 0.9 },
  // One captured server says nothing about the lowest price.
  { gpu: "L40S", maxPricePerDay: 8 },
  { maxPricePerDay: 0.3, minReliability: 1, leaseHours: 6 },
])("nothing is wrong with %j", (request) => {
  expect(checkOfferRequest(request, catalog)).toEqual([]);
});

test("all mistakes come at once", () => {
  const request = { gpu: "RTX 4900", minReliability: 97, countries: ["UK"], maxPricePerDay: 0 };
  expect(checkOfferRequest(request, catalog).map((p) => p.path)).toEqual([
    "gpu",
    "minReliability",
    "countries[0]",
    "maxPricePerDay",
  ]);
});
