import { expect, test } from "vitest";
import type { Order } from "../../src/clore/types.ts";
import type { Clock } from "../../src/core/clock.ts";
import { CloreError } from "../../src/core/errors.ts";
import { findOrder } from "../../src/rental/find.ts";

/** A service whose listings take three seconds each; `listings` are what it answers, the last one for ever. */
function slowService(listings: readonly (readonly Order[] | CloreError)[]) {
  let now = 0;
  let asked = 0;
  const clock: Clock = {
    now: () => now,
    sleep: async (ms) => {
      now += ms;
    },
  };
  const myOrders = async () => {
    now += 3000;
    const answer = listings[Math.min(asked++, listings.length - 1)] ?? [];
    if (answer instanceof CloreError) throw answer;
    return answer;
  };
  const { signal } = new AbortController();
  return { io: { clore: { myOrders }, clock, signal, limitMs: 0 }, asked: () => asked };
}

const order = { orderId: 7, serverId: 5, expired: false, createdAt: new Date(0) } as Order;
const down = new CloreError("clore.unavailable", { message: "HTTP 502", retry: "later" });

test("two listings that agree are asked for, however slowly the service answers", async () => {
  const { io, asked } = slowService([[]]);
  expect(await findOrder(5, new Set(), io)).toBeUndefined();
  expect(asked()).toBe(2);
});

test("the second listing counts as well when it shows the order", async () => {
  const { io } = slowService([[], [order]]);
  expect(await findOrder(5, new Set(), io)).toBe(order);
});

test("nothing is known when the last listing failed", async () => {
  const { io } = slowService([[], down]);
  await expect(findOrder(5, new Set(), io)).rejects.toMatchObject({ code: "rental.unknown" });
});
