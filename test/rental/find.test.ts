import { expect, test } from "vitest";
import type { Order } from "../../src/clore/types.ts";
import type { Clock } from "../../src/core/clock.ts";
import { CloreError } from "../../src/core/errors.ts";
import { findOrder } from "../../src/rental/find.ts";

type Answer = readonly Order[] | CloreError;

/**
 * A service whose listings take three seconds each; `listings` are what it answers, the last one for ever. `completed`:
 * what it answers when the completed orders are asked for too.
 */
function slowService(listings: readonly Answer[], completed?: Answer) {
  let now = 0;
  let asked = 0;
  const clock: Clock = {
    now: () => now,
    sleep: async (ms) => {
      now += ms;
    },
  };
  const myOrders = async ({ includeCompleted = false } = {}) => {
    now += 3000;
    const short = listings[Math.min(asked++, listings.length - 1)] ?? [];
    const answer = (includeCompleted && completed) || short;
    if (answer instanceof CloreError) throw answer;
    return answer;
  };
  const { signal } = new AbortController();
  return { io: { clore: { myOrders }, clock, signal, limitMs: 0, accepted: false }, asked: () => asked };
}

const order = { orderId: 7, serverId: 5, expired: false, createdAt: new Date(0) } as Order;
const other = { ...order, orderId: 8, serverId: 6 };
const over = { ...order, orderId: 6, expired: true };
const nobodys = () => false;
const down = new CloreError("clore.unavailable", { message: "HTTP 502", retry: "later" });

test("two listings that agree are asked for, however slowly the service answers", async () => {
  const { io, asked } = slowService([[other]]);
  expect(await findOrder(5, nobodys, io)).toBeUndefined();
  expect(asked()).toBe(2);
});

test("the second listing counts as well when it shows the order", async () => {
  const { io } = slowService([[other], [order]]);
  expect(await findOrder(5, nobodys, io)).toBe(order);
});

test("nothing is known when the last listing failed", async () => {
  const { io } = slowService([[other], down]);
  await expect(findOrder(5, nobodys, io)).rejects.toMatchObject({ code: "rental.unknown" });
});

test("behind an empty listing the completed orders are asked, and show the live one too", async () => {
  const { io, asked } = slowService([[]], [over, order]);
  expect(await findOrder(5, nobodys, io)).toBe(order);
  expect(asked()).toBe(2);
});

test.each([true, false])(
  "completed orders without it are listings that count (accepted: %s)",
  async (accepted) => {
    const { io, asked } = slowService([[]], [over]);
    expect(await findOrder(5, nobodys, { ...io, accepted })).toBeUndefined();
    expect(asked()).toBe(4);
  },
);

test("an order that was accepted is never absent because everything is listed empty", async () => {
  const { io } = slowService([[]]);
  await expect(findOrder(5, nobodys, { ...io, accepted: true })).rejects.toMatchObject({
    code: "rental.unknown",
    message: expect.stringContaining("its listings are empty"),
  });
});

test("an account that never had an order is believed after so long that a new one would be listed", async () => {
  const { io, asked } = slowService([[]]);
  expect(await findOrder(5, nobodys, io)).toBeUndefined();
  expect(asked()).toBe(25);
});
