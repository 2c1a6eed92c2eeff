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
  /** The service said yes to the create: empty listings, however many, never mean that nothing was made. */
  accepted: boolean;
  pollMs?: number;
}

/** "Not there" needs so many listings that agree: one alone has been seen to lack rows. */
const agreeingListings = 2;
/**
 * An account that never had an order is listed as a fault of the service is: with nothing, completed orders included.
 * So many looks in a row are believed then, a second apart: an order can take 20 s to appear.
 */
const emptyLooks = 25;

/**
 * The live order on a server, that is not known to be somebody else's. The service gives no id on create and has no labels:
 * server and time are all there is, and one server carries one order at a time.
 * @returns `undefined` when listings up to the limit agree that it is not there
 * @throws CloreError `rental.unknown` when they could not be read: then nothing is known
 */
export async function findOrder(
  serverId: number,
  isTheirs: (order: Order) => boolean,
  io: FindIo,
): Promise<Order | undefined> {
  const clock = io.clock ?? systemClock;
  const pollMs = io.pollMs ?? 1000;
  let looks = 0;
  let listings = 0;
  let isEmpty = false;
  let trouble: CloreError | undefined;
  const look = async (): Promise<Look<Order>> => {
    try {
      // An empty listing proves nothing; the longer one shows live orders too.
      const orders = await io.clore.myOrders(isEmpty ? { includeCompleted: true } : {}, io.signal);
      looks++;
      isEmpty = orders.length === 0;
      if (!isEmpty) listings++;
      trouble = undefined;
      const found = orders
        .filter((order) => order.serverId === serverId && !order.expired && !isTheirs(order))
        .toSorted((a, b) => b.createdAt.getTime() - a.createdAt.getTime())[0];
      return found
        ? { done: true, value: found }
        : { done: false, seen: `${orders.length} orders, none on ${serverId}` };
    } catch (error) {
      io.signal.throwIfAborted();
      if (!(error instanceof CloreError) || error.retry === "no") throw error;
      trouble = error;
      return { done: false, seen: error.message };
    }
  };
  try {
    return await until(look, {
      what: `the order on server ${serverId}`,
      deadlineMs: Math.max(io.limitMs, pollMs * agreeingListings),
      everyMs: pollMs,
      signal: io.signal,
      clock,
      code: "rental.order-unseen",
    });
  } catch (error) {
    if (!(error instanceof CloreError) || error.code !== "rental.order-unseen") throw error;
    // A slow service leaves time for one look only: that it is slow must not make it unknown.
    while (trouble === undefined && listings < agreeingListings && looks < emptyLooks) {
      if (isEmpty) await clock.sleep(pollMs, io.signal);
      const again = await look();
      if (again.done) return again.value;
    }
    // The last word must be a listing: before it the order may just not have appeared yet.
    const isAbsent = listings >= agreeingListings || !io.accepted;
    if (trouble === undefined && isAbsent) return undefined;
    throw new CloreError("rental.unknown", {
      message: `whether there is an order on server ${serverId} cannot be told: ${trouble ? "the orders could not be read" : "the service accepted one, and its listings are empty"}`,
      seen: trouble?.message ?? error.seen,
      hint: "run the same command again when Clore.ai answers; nothing is rented meanwhile",
      retry: "look-first",
      cause: trouble,
    });
  }
}
