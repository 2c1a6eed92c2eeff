import { describeClasses, gpuNames } from "../catalog/gpus.ts";
import type { MarketServer, RenterFees, Wallet } from "../clore/types.ts";
import { feesFor } from "../cost/fees.ts";
import { rentUsd } from "../cost/finish.ts";
import { formatUsd } from "../cost/price.ts";
import { type HostMemory, penalty } from "./memory.ts";
import { describeGpus, hasPrice, isMixed, type Offer } from "./offers.ts";
import type { OfferRequest } from "./request.ts";

/** What a filter needs beside the request. */
export interface SelectContext {
  /** One key per GPU class, whatever the spelling (`gpuMatcher`). */
  gpuClass: (name: string) => string;
  /** Servers of the account itself: it cannot rent them. */
  ownServerIds?: readonly number[];
  /** `undefined`: not known, so nothing is filtered by balance. */
  wallets?: readonly Wallet[];
  fees?: RenterFees;
  memory?: HostMemory;
  /** Milliseconds since the epoch; only the memory needs it. */
  now?: number;
}

/** Why something did not pass, and what to write to let it pass (`undefined`: nothing would). */
export interface Miss {
  seen: string;
  change: string | undefined;
}

/** One filter. The first that a server does not pass is the one that counts it. */
export interface Step<T> {
  /** Follows the number of servers that are left: "83 RTX 4090". */
  label: string;
  /** Not asked for by the request: shown only where it removed something. */
  quiet: boolean;
  passes(candidate: T): boolean;
  miss(candidate: T): Miss;
}

/** The balance must last this long, or as long as the lease where that is shorter: Clore.ai's shortest rental. */
export const payableHours = 6;

/** Filters on the machine, cheapest to tell first. */
export function serverSteps(request: OfferRequest, context: SelectContext): Step<MarketServer>[] {
  const own = new Set(context.ownServerIds);
  const excluded = new Set(request.excludeServerIds);
  const market = request.market ?? "on-demand";
  const upper = (codes: readonly string[] | undefined) => codes?.map((code) => code.toUpperCase());
  const countries = upper(request.countries);
  const unwanted = upper(request.excludeCountries);
  const atLeast = (
    property: "minRamGb" | "minDiskGb" | "minCpuCores" | "minDownMbps" | "minUpMbps",
    unit: string,
    value: (server: MarketServer) => number,
  ) => minimum(property, request[property], unit, value);
  return [
    {
      label: "free",
      quiet: false,
      passes: (s) => !s.rented,
      miss: () => ({ seen: "is rented", change: undefined }),
    },
    ...when(own.size > 0, {
      label: "not our own",
      quiet: true,
      passes: (s: MarketServer) => !own.has(s.serverId),
      miss: () => ({ seen: "belongs to this account", change: undefined }),
    }),
    ...when(excluded.size > 0, {
      label: "not excluded",
      quiet: true,
      passes: (s: MarketServer) => !excluded.has(s.serverId),
      miss: () => ({ seen: "is excluded", change: undefined }),
    }),
    ...gpuSteps(request, context),
    ...atLeast("minRamGb", "GB RAM", (s) => s.ramGb),
    ...atLeast("minDiskGb", "GB disk", (s) => s.diskGb),
    ...atLeast("minCpuCores", "CPU cores", (s) => s.cpuCores),
    ...atLeast("minDownMbps", "Mbps", (s) => s.downMbps),
    ...atLeast("minUpMbps", "Mbps up", (s) => s.upMbps),
    ...minimum("minReliability", request.minReliability, "reliability", (s) => s.reliability),
    ...when(countries !== undefined, {
      label: `in ${countries?.join(", ")}`,
      quiet: false,
      passes: (s: MarketServer) => s.country !== undefined && countries!.includes(s.country),
      miss: (s: MarketServer) => ({
        seen: `is in ${s.country ?? "an unknown country"}`,
        change: s.country && `add "${s.country}" to countries`,
      }),
    }),
    ...when(unwanted !== undefined, {
      label: `not in ${unwanted?.join(", ")}`,
      quiet: false,
      // Without a country nobody can say that it is not an unwanted one.
      passes: (s: MarketServer) => s.country !== undefined && !unwanted!.includes(s.country),
      miss: (s: MarketServer) => ({
        seen: `is in ${s.country ?? "an unknown country"}`,
        change: s.country && `take "${s.country}" out of excludeCountries`,
      }),
    }),
    ...when(request.leaseHours !== undefined, {
      label: `for ${request.leaseHours} h`,
      quiet: false,
      passes: (s: MarketServer) => s.maxRentalHours >= request.leaseHours!,
      miss: (s: MarketServer) => ({
        seen: `rents for ${s.maxRentalHours} h at most`,
        change: `set leaseHours to ${s.maxRentalHours}`,
      }),
    }),
    ...when(context.memory !== undefined, {
      label: "without a recent failure",
      quiet: true,
      passes: (s: MarketServer) => !penalty(context.memory!, s.serverId, context.now ?? 0).coolingDown,
      miss: (s: MarketServer) => ({
        seen: `failed lately (${penalty(context.memory!, s.serverId, context.now ?? 0).reason ?? "no reason kept"})`,
        change: "wait until it is tried again, 12 h after its failure",
      }),
    }),
    {
      label: `priced ${market === "spot" ? "on spot" : "on demand"}`,
      quiet: true,
      passes: (s) => hasPrice(s, market),
      miss: () => ({
        seen: `has no ${market} price in a currency that it accepts`,
        change: otherMarket(market),
      }),
    },
  ];
}

/** Filters on the price; a server stays as long as one of its offers does. */
export function offerSteps(request: OfferRequest, context: SelectContext): Step<Offer>[] {
  const { currency = "auto", bidPricePerDay: bid, maxPricePerDay: cap, leaseHours = payableHours } = request;
  const hours = Math.min(payableHours, leaseHours);
  const balances = context.wallets && new Map(context.wallets.map((w) => [w.currency, w.balance]));
  const need = (offer: Offer) => firstRent(offer, hours, context.fees);
  return [
    ...when(currency !== "auto", {
      label: `payable in ${currency}`,
      quiet: false,
      passes: (o: Offer) => o.currency === currency,
      miss: (o: Offer) => ({
        seen: `takes ${o.currency}`,
        change: `set currency to "${o.currency}" or "auto"`,
      }),
    }),
    ...when(balances !== undefined, {
      label: `payable for ${hours} h from the wallets`,
      quiet: true,
      passes: (o: Offer) => (balances!.get(o.currency) ?? 0) >= need(o),
      miss: (o: Offer) => ({
        seen: `${hours} h cost ${amount(need(o))} ${o.currency}, the wallet has ${amount(balances!.get(o.currency) ?? 0)}`,
        change: `top up a wallet: ${amount(need(o) - (balances!.get(o.currency) ?? 0))} ${o.currency} are missing`,
      }),
    }),
    ...when(bid !== undefined && request.market === "spot", {
      label: `within a bid of ${bid} USD/day`,
      quiet: false,
      passes: (o: Offer) => o.listedPricePerDayUsd <= bid!,
      miss: (o: Offer) => ({
        seen: `asks ${formatUsd(o.listedPricePerDayUsd - bid!)} more than the bid`,
        change: `set bidPricePerDay to ${roundUp(o.listedPricePerDayUsd)}`,
      }),
    }),
    ...when(cap !== undefined, {
      label: `up to ${cap} USD/day`,
      quiet: false,
      passes: (o: Offer) => o.pricePerDayUsd <= cap!,
      miss: (o: Offer) => ({
        seen: `is ${formatUsd(o.pricePerDayUsd - cap!)} above the cap`,
        change: `set maxPricePerDay to ${roundUp(o.pricePerDayUsd)}`,
      }),
    }),
  ];
}

function gpuSteps(request: OfferRequest, context: SelectContext): Step<MarketServer>[] {
  const { gpu, minVramGb, allowMixedGpus = false } = request;
  const count = request.gpuCount ?? (gpu === undefined ? undefined : 1);
  const names = gpuNames(gpu);
  const wanted = gpu === undefined ? undefined : new Set(names.map(context.gpuClass));
  const matching = (s: MarketServer) =>
    wanted === undefined ? s.gpus.length : s.gpus.filter((name) => wanted.has(context.gpuClass(name))).length;
  const mixedOut = (s: MarketServer) => !allowMixedGpus && isMixed(s);
  const name = gpu === undefined ? (count === 1 ? "GPU" : "GPUs") : describeClasses(names);
  const one = names.length > 3 ? `with ${name}` : name;
  return [
    ...when(gpu !== undefined || count !== undefined, {
      label: count === 1 && gpu !== undefined ? one : `${count}x ${name}`,
      quiet: false,
      passes: (s: MarketServer) => matching(s) === count && !mixedOut(s),
      miss: (s: MarketServer) => ({
        seen: `has ${describeGpus(s)}`,
        change:
          matching(s) === 0
            ? wanted !== undefined && s.gpuModel !== undefined
              ? typeof gpu === "string"
                ? `set gpu to "${s.gpuModel}"`
                : `name "${s.gpuModel}" in gpu`
              : "leave the GPU out"
            : mixedOut(s)
              ? "set allowMixedGpus"
              : `set gpuCount to ${matching(s)}`,
      }),
    }),
    ...when(minVramGb !== undefined, {
      label: `with ≥ ${minVramGb} GB VRAM`,
      quiet: false,
      passes: (s: MarketServer) => s.gpus.length > 0 && s.vramGbPerGpu >= minVramGb! && !mixedOut(s),
      miss: (s: MarketServer) => ({
        seen: s.gpus.length > 0 ? `has ${describeGpus(s)} with ${s.vramGbPerGpu} GB` : "has no GPU",
        change: s.gpus.length > 0 ? `set minVramGb to ${s.vramGbPerGpu}` : "leave minVramGb out",
      }),
    }),
  ];
}

function minimum(
  property: keyof OfferRequest,
  least: number | undefined,
  unit: string,
  value: (server: MarketServer) => number,
): Step<MarketServer>[] {
  return when(least !== undefined, {
    label: unit === "reliability" ? `with reliability ≥ ${least}` : `with ≥ ${least} ${unit}`,
    quiet: false,
    passes: (s: MarketServer) => value(s) >= least!,
    miss: (s: MarketServer) => ({
      seen: unit === "reliability" ? `has reliability ${value(s)}` : `has ${value(s)} ${unit}`,
      change: `set ${property} to ${value(s)}`,
    }),
  });
}

/** Rent and fees of the first hours, in the offer's currency. */
function firstRent(offer: Offer, hours: number, fees: RenterFees | undefined): number {
  const orderFees = feesFor(offer.market, offer.currency, fees, offer.usdPerUnit);
  return rentUsd({ pricePerDayUsd: offer.pricePerDayUsd, fees: orderFees }, hours) / offer.usdPerUnit;
}

const when = <T>(wanted: boolean, step: Step<T>): Step<T>[] => (wanted ? [step] : []);
const amount = (value: number) => String(Number(value.toPrecision(4)));
/** A cap to be written down must not round below the price that it is to allow. */
const roundUp = (usd: number) => (Math.ceil(usd * 100 - 1e-6) / 100).toFixed(2);
const otherMarket = (market: string) => `set market to "${market === "spot" ? "on-demand" : "spot"}"`;
