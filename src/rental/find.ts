import type { CloreApi, Order } from "../clore/types.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { CloreError } from "../core/errors.ts";
import { type Look, until } from "../core/until.ts";

export interface FindIo {
  clore: Pick<CloreApi, "myOrders">;
  signal: AbortSignal;
  clock?: Clock;
  /** The most to look, in milliseconds. An order can take 20 s to appear. */
  limitMs: number;
  pollMs?: number;
}

/**
 * The live order on a server, that was not there before. The service gives no id on create and has no labels:
 * server and time are all there is, and one server carries one order at a time.
 * @returns `undefined` when it did not appear within the limit: that is no proof that it never will
 */
export async function findOrder(
  serverId: number,
  before: ReadonlySet<number>,
  io: FindIo,
): Promise<Order | undefined> {
  const look = async (): Promise<Look<Order>> => {
    try {
      const orders = await io.clore.myOrders({}, io.signal);
      const found = orders
        .filter((order) => order.serverId === serverId && !order.expired && !before.has(order.orderId))
        .toSorted((a, b) => b.createdAt.getTime() - a.createdAt.getTime())[0];
      return found
        ? { done: true, value: found }
        : { done: false, seen: `${orders.length} orders, none on ${serverId}` };
    } catch (error) {
      io.signal.throwIfAborted();
      if (error instanceof CloreError && error.retry !== "no") return { done: false, seen: error.message };
      throw error;
    }
  };
  try {
    return await until(look, {
      what: `the order on server ${serverId}`,
      deadlineMs: io.limitMs,
      everyMs: io.pollMs ?? 1000,
      signal: io.signal,
      clock: io.clock ?? systemClock,
      code: "rental.order-unseen",
    });
  } catch (error) {
    if (error instanceof CloreError && error.code === "rental.order-unseen") return undefined;
    throw error;
  }
}
