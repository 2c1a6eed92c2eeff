import type { RenterFees } from "../clore/types.ts";
import { formatSeconds } from "../cost/duration.ts";
import { feesFor } from "../cost/fees.ts";
import { costToFinish } from "../cost/finish.ts";
import { formatUsd } from "../cost/price.ts";
import { type HostMemory, type HostPenalty, penalty } from "./memory.ts";
import { describeGpus, type Offer } from "./offers.ts";

/** What is to be done on the server, and what is known beside the market. */
export interface Job {
  /** Hours of work; a function where they depend on the GPU (tokens ÷ tok/s). @default 24 */
  runHours?: number | ((offer: Offer) => number);
  /** Size of the image where the host is not likely to have it already. @default 0 */
  imageBytes?: number;
  /** Models to be pulled; a proxy has none. @default 0 */
  modelBytes?: number;
  /** As the service states them. @default what its documentation says */
  fees?: RenterFees;
  memory?: HostMemory;
  /** Milliseconds since the epoch; only the memory needs it. @default 0 */
  now?: number;
}

/** An offer with what it would really cost. */
export interface RankedOffer extends Offer {
  /** Rent until ready and while running, fees, and what failing is expected to cost. USD. */
  costToFinishUsd: number;
  /** The part of it that pays for failing. */
  expectedLossUsd: number;
  runHours: number;
  secondsToReady: number;
  /** One sentence for people. */
  why: string;
}

export const defaultRunHours = 24;
/** From the order to sshd. An assumption: the service documents none, and published rentals took one to a few minutes. */
export const bootSeconds = 120;
/** Where a host states no speed at all. */
const slowestMbps = 1;
const unknownHost: HostPenalty = {
  failureChance: 0,
  coolingDown: false,
  reason: undefined,
  downMbps: undefined,
};

/**
 * The offers in the order of what it costs to finish the job on them, cheapest first. Ties: sooner ready, then lower id,
 * so that the same market gives the same choice. Reliability is read as the chance that the host holds until the end
 * (an assumption: the service does not say what it measures), lowered by what is remembered of the host.
 * @example rank(selection.offers, { runHours: 8, modelBytes: 3.3e9 })[0].why
 */
export function rank(offers: readonly Offer[], job: Job): RankedOffer[] {
  return offers
    .map((offer) => appraise(offer, job))
    .sort(
      (a, b) =>
        a.costToFinishUsd - b.costToFinishUsd ||
        a.secondsToReady - b.secondsToReady ||
        a.serverId - b.serverId,
    );
}

/** What the first is, and why it was taken and not the second, in one sentence. */
export function explain(top: RankedOffer, runnerUp: RankedOffer | undefined): string {
  const what = describe(top);
  if (!runnerUp) return `${what}, the only offer that fits: ${top.why}`;
  const dearer = runnerUp.costToFinishUsd - top.costToFinishUsd;
  const later = runnerUp.secondsToReady - top.secondsToReady;
  const reasons = [
    dearer >= 0.005 ? `finishes ${formatUsd(dearer)} cheaper` : "finishes at the same cost",
    ...(Math.abs(later) >= 30
      ? [`ready ${formatSeconds(Math.abs(later))} ${later > 0 ? "sooner" : "later"}`]
      : []),
    ...(top.server.reliability > runnerUp.server.reliability
      ? [`more reliable (${top.server.reliability} against ${runnerUp.server.reliability})`]
      : []),
  ];
  const other = `server ${runnerUp.serverId} (${describeGpus(runnerUp.server)}, ${formatUsd(runnerUp.pricePerDayUsd)}/day)`;
  return `${what}, chosen over ${other}: ${reasons.join(", ")}`;
}

function describe({ server, market }: Offer): string {
  const vram = server.gpus.length > 0 ? ` with ${server.vramGbPerGpu} GB` : "";
  const place = server.country === undefined ? "" : ` in ${server.country}`;
  return `${describeGpus(server)}${vram}${place}${market === "spot" ? " on the spot market (can be outbid)" : ""}`;
}

function appraise(offer: Offer, job: Job): RankedOffer {
  const known = job.memory ? penalty(job.memory, offer.serverId, job.now ?? 0) : unknownHost;
  const mbps = downMbps(offer, known);
  const bytes = (job.imageBytes ?? 0) + (job.modelBytes ?? 0);
  const secondsToReady = bootSeconds + (bytes * 8) / (mbps * 1e6);
  const { runHours: hours = defaultRunHours } = job;
  const runHours = typeof hours === "function" ? hours(offer) : hours;
  const cost = costToFinish({
    pricePerDayUsd: offer.pricePerDayUsd,
    fees: feesFor(offer.market, offer.currency, job.fees, offer.usdPerUnit),
    hoursToReady: secondsToReady / 3600,
    runHours,
    failureChance: 1 - offer.server.reliability * (1 - known.failureChance),
  });
  return {
    ...offer,
    costToFinishUsd: cost.totalUsd,
    expectedLossUsd: cost.expectedLossUsd,
    runHours,
    secondsToReady,
    why: whySentence({ bytes, mbps, known, lossUsd: cost.expectedLossUsd }),
  };
}

/** What the host states, or what was really had where that is less. */
function downMbps(offer: Offer, known: HostPenalty): number {
  return Math.max(slowestMbps, Math.min(offer.server.downMbps, known.downMbps ?? Number.POSITIVE_INFINITY));
}

function whySentence(facts: { bytes: number; mbps: number; known: HostPenalty; lossUsd: number }): string {
  const { bytes, mbps, known, lossUsd } = facts;
  return [
    ...(bytes > 0 ? [`loads ${(bytes / 1e9).toFixed(1)} GB at ${Math.round(mbps)} Mbps`] : []),
    lossUsd < 0.005 ? "no loss expected" : `risk costs ${formatUsd(lossUsd)}`,
    ...(known.failureChance > 0.05 ? [`failed before (${known.reason ?? "worked since"})`] : []),
  ].join("; ");
}
