/** Clore.ai's prices are per day (24 h), whatever other tools show. */
export const hoursPerDay = 24;

export const perHour = (pricePerDay: number): number => pricePerDay / hoursPerDay;
export const perDay = (pricePerHour: number): number => pricePerHour * hoursPerDay;

/** For people: two decimals, or two significant digits below a cent. @example formatUsd(0.0042) // "0.0042 USD" */
export function formatUsd(amount: number): string {
  const small = amount !== 0 && Math.abs(amount) < 0.01;
  return `${small ? Number(amount.toPrecision(2)) : amount.toFixed(2)} USD`;
}
