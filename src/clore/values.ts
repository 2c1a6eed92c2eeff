import { z } from "zod";

/**
 * Readers of single values as the service sends them: tolerant of form (a number may come as text), never of meaning.
 * "Tolerant" ones give `undefined` for rubbish; strict ones fail, and their owner decides what that costs.
 */

/** A finite number, or one written as plain decimal text. */
export function asNumber(value: unknown): number | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? value : undefined;
  if (typeof value !== "string" || !/^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(value))
    return undefined;
  const number = Number(value);
  return Number.isFinite(number) ? number : undefined;
}

export function asText(value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  const text = value.trim();
  return text === "" ? undefined : text;
}

export function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}

/** `{ name: number }`, entries that are no numbers left out. */
export function asNumbers(value: unknown): Record<string, number> {
  return Object.fromEntries(
    Object.entries(asRecord(value)).flatMap(([name, raw]) => {
      const number = asNumber(raw);
      return number === undefined ? [] : [[name, number]];
    }),
  );
}

/** Strict: an identifier is a positive whole number. */
export const id = z.preprocess((value) => asNumber(value) ?? value, z.int().positive());

/** Strict: an amount of money, zero or more. */
export const amount = z.preprocess((value) => asNumber(value) ?? value, z.number().nonnegative());

/** Tolerant: there or not, whatever it is. */
export const anything = z.unknown().optional();

/** Tolerant: `undefined` for rubbish. */
export const number = anything.transform(asNumber);
export const text = anything.transform(asText);
export const flag = anything.transform((value) => value === true || value === 1 || value === "1");
export const record = anything.transform(asRecord);
export const numbers = anything.transform(asNumbers);

/** GPU names as the marketplace writes them, without their leading space. */
export const gpuNames = anything.transform((value) =>
  Array.isArray(value) ? value.flatMap((name) => asText(name) ?? []) : [],
);

/**
 * Hours of a rental's longest time. The marketplace states hours and `my_orders` seconds (both observed, the unit is
 * inferred from 72 and 604800); rentals last 6 to 3000 hours, so a figure of 6 hours in seconds or more is seconds.
 */
export function rentalHours(mrl: number): number {
  return mrl >= 6 * 3600 ? mrl / 3600 : mrl;
}
