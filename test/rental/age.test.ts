import { expect, test } from "vitest";
import { ageMs } from "../../src/rental/age.ts";

const minute = 60_000;
const now = 1_783_700_000_000;

/** An order of 1440 units a day: one unit a minute. */
function age(minutesByClock: number, spent: number, market: "on-demand" | "spot" = "on-demand"): number {
  const createdAt = new Date(now - minutesByClock * minute);
  return ageMs({ createdAt, spent, pricePerDay: 1440, market }, now) / minute;
}

test.each([
  { name: "the clock's, where the bill agrees", clock: 60, spent: 60, minutes: 60 },
  { name: "the clock's, where the bill says more", clock: 60, spent: 90, minutes: 60 },
  { name: "the bill's with a margin, where the clock is fast", clock: 600, spent: 60, minutes: 68 },
  { name: "the clock's, where nothing is billed", clock: 60, spent: 0, minutes: 60 },
  { name: "nothing, for an order from the future", clock: -30, spent: 0, minutes: 0 },
])("an order's age is $name", ({ clock, spent, minutes }) => {
  expect(age(clock, spent)).toBeCloseTo(minutes);
});

test("a spot order's bill does not tell the time: its price can change", () => {
  expect(age(600, 60, "spot")).toBeCloseTo(600);
});
