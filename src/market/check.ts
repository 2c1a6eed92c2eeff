import { findGpu, gpuNames, nearestGpus } from "../catalog/gpus.ts";
import { ownFileHint } from "../catalog/nearest.ts";
import type { Catalog } from "../catalog/schema.ts";
import { currencies } from "../clore/types.ts";
import type { InputProblem } from "../core/errors.ts";
import { isCountry, suggestCountry } from "./countries.ts";
import { implausiblePrice } from "./price-sanity.ts";
import type { OfferRequest } from "./request.ts";

/** Clore.ai rents for 3000 h at most (its FAQ). */
const longestLeaseHours = 3000;

/**
 * Every mistake of a request at once, each with what to write instead; empty when there is none.
 * @example const problems = checkOfferRequest(request, catalog); if (problems.length > 0) throw new InputError("server", problems)
 */
export function checkOfferRequest(request: OfferRequest, catalog: Catalog): InputProblem[] {
  return [
    ...checkGpu(request, catalog),
    ...checkMinimums(request),
    ...checkReliability(request.minReliability),
    ...checkCountries(request),
    ...checkPrices(request, catalog),
    ...checkChoices(request),
    ...checkLease(request.leaseHours),
    ...(request.excludeServerIds ?? []).flatMap((id, i) =>
      Number.isInteger(id) && id > 0 ? [] : [problem(`excludeServerIds[${i}]`, "write a server's number")],
    ),
  ];
}

function checkGpu({ gpu, gpuCount, minVramGb }: OfferRequest, catalog: Catalog): InputProblem[] {
  const problems: InputProblem[] = [];
  if (gpuCount !== undefined && !(Number.isInteger(gpuCount) && gpuCount >= 1)) {
    problems.push(
      problem("gpuCount", `${gpuCount} is no number of GPUs: write 1 or more, or leave it and gpu out`),
    );
  }
  if (gpu === undefined) return problems;
  const names = gpuNames(gpu);
  if (names.length === 0) problems.push(problem("gpu", "names no GPU class: leave it out to allow all"));
  const known = names.flatMap((name, i) => {
    const found = findGpu(name, catalog);
    if (found) return [found];
    const near = nearestGpus(name, catalog).map((one) => `"${one}"`);
    const path = typeof gpu === "string" ? "gpu" : `gpu[${i}]`;
    problems.push(
      problem(path, `no GPU class is called "${name}"; nearest: ${near.join(", ")}; ${ownFileHint}`),
    );
    return [];
  });
  if (minVramGb !== undefined && known.length > 0 && known.length === names.length) {
    const most = Math.max(...known.flatMap(({ variants }) => variants.map((v) => v.vramGb)));
    const who = known.length === 1 ? `an ${known[0]!.name} has` : "of these classes the largest has";
    if (minVramGb > most) problems.push(problem("minVramGb", `${who} ${most} GB at most, not ${minVramGb}`));
  }
  return problems;
}

function checkMinimums(request: OfferRequest): InputProblem[] {
  const least = {
    minVramGb: "GB",
    minRamGb: "GB",
    minDiskGb: "GB",
    minCpuCores: "cores",
    minDownMbps: "Mbps",
    minUpMbps: "Mbps",
  } as const;
  return Object.entries(least).flatMap(([path, unit]) => {
    const value = request[path as keyof typeof least];
    if (value === undefined || (Number.isFinite(value) && value >= 0)) return [];
    return [problem(path, `${value} is no amount: write ${unit}, 0 or more`)];
  });
}

function checkReliability(value: number | undefined): InputProblem[] {
  if (value === undefined || (value >= 0 && value <= 1)) return [];
  const percent = value > 1 && value <= 100;
  return [
    problem(
      "minReliability",
      percent ? `write ${value / 100}, not ${value} (it is 0 to 1)` : "write 0 to 1, like 0.97",
    ),
  ];
}

function checkCountries({ countries, excludeCountries }: OfferRequest): InputProblem[] {
  const wrong = (path: string, list: readonly string[] | undefined) =>
    (list ?? []).flatMap((code, i) =>
      isCountry(code)
        ? []
        : [
            problem(
              `${path}[${i}]`,
              `"${code}" is no ISO 3166 country code; did you mean ${suggestCountry(code)}?`,
            ),
          ],
    );
  const excluded = new Set(excludeCountries?.map((code) => code.toUpperCase()));
  const both = (countries ?? []).filter((code) => isCountry(code) && excluded.has(code.toUpperCase()));
  return [
    ...wrong("countries", countries),
    ...wrong("excludeCountries", excludeCountries),
    ...(countries?.length === 0 ? [problem("countries", "names no country: leave it out to allow all")] : []),
    ...both.map((code) => problem("excludeCountries", `${code} is both wanted and excluded`)),
  ];
}

function checkPrices(request: OfferRequest, catalog: Catalog): InputProblem[] {
  const { maxPricePerDay: cap, bidPricePerDay: bid, market = "on-demand" } = request;
  const problems = [
    ...checkPrice("maxPricePerDay", cap, request, catalog),
    ...checkPrice("bidPricePerDay", bid, request, catalog),
  ];
  if (bid !== undefined && market !== "spot") {
    problems.push(
      problem("bidPricePerDay", 'only the spot market has bids: set market to "spot", or leave it out'),
    );
  }
  if (bid !== undefined && cap !== undefined && bid > cap) {
    problems.push(problem("bidPricePerDay", `${bid} is above maxPricePerDay (${cap})`));
  }
  return problems;
}

function checkPrice(
  path: string,
  value: number | undefined,
  request: OfferRequest,
  catalog: Catalog,
): InputProblem[] {
  if (value === undefined) return [];
  if (!(Number.isFinite(value) && value > 0)) {
    return [problem(path, `${value} rents nothing: write USD per day above 0, or leave it out`)];
  }
  const reason = implausiblePrice(value, request, catalog);
  return reason ? [problem(path, reason)] : [];
}

function checkChoices({ market, currency }: OfferRequest): InputProblem[] {
  const problems: InputProblem[] = [];
  if (market !== undefined && market !== "on-demand" && market !== "spot") {
    problems.push(problem("market", `"${market}" is no market: write "on-demand" or "spot"`));
  }
  if (currency !== undefined && currency !== "auto" && !currencies.includes(currency)) {
    const names = ["auto", ...currencies].map((name) => `"${name}"`);
    problems.push(problem("currency", `"${currency}" cannot be paid with: write ${names.join(", ")}`));
  }
  return problems;
}

function checkLease(hours: number | undefined): InputProblem[] {
  if (hours === undefined || (hours > 0 && hours <= longestLeaseHours)) return [];
  return [
    problem("leaseHours", `${hours} h cannot be rented: write more than 0 and at most ${longestLeaseHours}`),
  ];
}

const problem = (path: string, text: string): InputProblem => ({ path, problem: text });
