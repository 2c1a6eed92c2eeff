import { creationFeeAfterMinutes, type OrderFees } from "./fees.ts";
import { perHour } from "./price.ts";

/** One rental, as far as money goes. */
export interface Rental {
  pricePerDayUsd: number;
  fees: OrderFees;
  /** From the order to the first answer; it is paid like any other time. */
  hoursToReady: number;
  runHours: number;
  /** 0 to 1: how likely the host fails before the job is done. */
  failureChance: number;
}

/** All in USD. */
export interface FinishCost {
  totalUsd: number;
  /** Rent, share and creation fee when nothing goes wrong. */
  plainUsd: number;
  /** What failed tries are expected to cost on top. */
  expectedLossUsd: number;
}

/** A host that nearly always fails is dear, not infinitely so. */
const worstChance = 0.95;

/**
 * What it takes to get the job done: rent × (time to ready + run time), with the fees, plus what failing is expected
 * to cost. A host that fails with chance p fails p / (1 - p) times before it succeeds once, and each time what was paid
 * until ready and, on average, half of the run is lost.
 * @example costToFinish({ pricePerDayUsd: 2.4, fees, hoursToReady: 0.5, runHours: 8, failureChance: 0.02 }).totalUsd
 */
export function costToFinish(rental: Rental): FinishCost {
  const plainUsd = rentUsd(rental, rental.hoursToReady + rental.runHours);
  const chance = Math.min(Math.max(rental.failureChance, 0), worstChance);
  const expectedLossUsd =
    (chance / (1 - chance)) * rentUsd(rental, rental.hoursToReady + rental.runHours / 2);
  return { totalUsd: plainUsd + expectedLossUsd, plainUsd, expectedLossUsd };
}

/** Rent and fees of an order that lives this long, in USD. */
export function rentUsd(rental: Pick<Rental, "pricePerDayUsd" | "fees">, hours: number): number {
  const rent = perHour(rental.pricePerDayUsd) * hours * (1 + rental.fees.share);
  return hours * 60 > creationFeeAfterMinutes ? rent + rental.fees.creationUsd : rent;
}
