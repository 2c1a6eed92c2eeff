import type { Currency, MarketKind, RenterFees } from "../clore/types.ts";

/** What comes on top of one order's rent. */
export interface OrderFees {
  /** Of the rent: 0.05 = 5 %. */
  share: number;
  /** Charged once, only after `creationFeeAfterMinutes`. In USD. */
  creationUsd: number;
}

/** An order cancelled within this time pays no creation fee. Source: Clore.ai's documentation. */
export const creationFeeAfterMinutes = 10;

/**
 * Fees where the service was not asked: 5 % on demand and 1.25 % on spot (its documentation); 0.10 USD for an order,
 * as observed on an order paid in USD and taken to be worth as much in the other currencies.
 */
const documented: Readonly<Record<MarketKind, OrderFees>> = {
  "on-demand": { share: 0.05, creationUsd: 0.1 },
  spot: { share: 0.0125, creationUsd: 0.1 },
};

/**
 * The fees of an order.
 * @param fees as `/renter_fees` states them; what is missing there is taken from the documentation
 * @param usdPerUnit what one unit of the currency is worth, for the creation fee; unknown: the documented one
 */
export function feesFor(
  market: MarketKind,
  currency: Currency,
  fees: RenterFees | undefined,
  usdPerUnit: number | undefined,
): OrderFees {
  const fallback = documented[market];
  if (!fees) return fallback;
  const creation = (market === "spot" ? fees.creationFee.spot : fees.creationFee.onDemand)[currency];
  return {
    share: (market === "spot" ? fees.spotShare : fees.onDemandShare)[currency] ?? fallback.share,
    creationUsd:
      creation === undefined || usdPerUnit === undefined ? fallback.creationUsd : creation * usdPerUnit,
  };
}
