import { type Clock, systemClock } from "../core/clock.ts";
import type { CloreApi, Order } from "./types.ts";

/** One listing of the orders. Empty proves nothing (see docs/clore-api.md). */
export interface OrderListing {
  orders: readonly Order[];
  /** When it was asked for, in milliseconds since the epoch. Orders made later may be missing. */
  requestedAtMs: number;
}

export interface SharedReadOptions {
  /**
   * The listing must have been requested after this time (milliseconds since the epoch): hand in the time of your
   * create, and you are never shown the orders from before it. A little in the past spares a request where a recent
   * listing is good enough.
   * @default now
   */
  notBefore?: number;
  signal?: AbortSignal;
  /**
   * Where the listing is empty, the one with the completed orders is asked too, once for all who share it, and its live
   * ones are given: for whoever would conclude something from an order not being there.
   * @default false
   */
  whole?: boolean;
}

interface Round {
  /** Before it is sent: never later than anything. */
  requestedAtMs: number;
  listing: Promise<OrderListing>;
  resolve: (listing: OrderListing) => void;
  reject: (error: unknown) => void;
  readers: number;
  cancel: AbortController;
}

/**
 * One poll of `my_orders` for all servers of this process: at most one request is under way and one is next, and
 * whoever comes meanwhile shares the next.
 * @example const { orders } = await shared.read({ notBefore: createdAt, signal })
 */
export class SharedOrders {
  readonly #api: Pick<CloreApi, "myOrders">;
  readonly #clock: Clock;
  /** What was asked behind an empty listing. */
  readonly #behind = new WeakMap<OrderListing, Promise<OrderListing>>();
  #latest: OrderListing | undefined;
  #current: Round | undefined;
  #next: Round | undefined;

  constructor(api: Pick<CloreApi, "myOrders">, clock: Clock = systemClock) {
    this.#api = api;
    this.#clock = clock;
  }

  /** @throws what `myOrders` throws, for all who share the request; or the signal's reason, for this reader alone */
  async read({ whole = false, ...options }: SharedReadOptions = {}): Promise<OrderListing> {
    const listing = await this.#short(options);
    return whole && listing.orders.length === 0 ? this.#longer(listing, options.signal) : listing;
  }

  /** What stands behind an empty listing: not cancelled with one of its readers, for the others wait for it too. */
  async #longer(empty: OrderListing, signal: AbortSignal | undefined): Promise<OrderListing> {
    const asked =
      this.#behind.get(empty) ??
      this.#api
        .myOrders({ includeCompleted: true })
        .then((orders) => ({ ...empty, orders: orders.filter((order) => !order.expired) }));
    this.#behind.set(empty, asked);
    asked.catch(() => this.#behind.delete(empty));
    return untilAborted(asked, signal);
  }

  async #short({ notBefore, signal }: Omit<SharedReadOptions, "whole">): Promise<OrderListing> {
    signal?.throwIfAborted();
    const now = this.#clock.now();
    const after = notBefore ?? now;
    // A clock that was set back would have it served for as long as the jump was.
    if (this.#latest !== undefined && this.#latest.requestedAtMs > now) this.#latest = undefined;
    if (this.#latest !== undefined && this.#latest.requestedAtMs > after) return this.#latest;
    return this.#join(this.#roundAfter(after), signal);
  }

  #roundAfter(after: number): Round {
    const current = this.#current;
    // Strictly later: within one millisecond the create may have come after the listing.
    if (current !== undefined && current.requestedAtMs > after && !current.cancel.signal.aborted)
      return current;
    if (this.#next !== undefined) return this.#next;
    const round = newRound();
    if (current === undefined) this.#begin(round);
    else this.#next = round;
    return round;
  }

  /** Sends the request of a round, and of the one that has gathered behind it when it is over. */
  #begin(round: Round): void {
    this.#current = round;
    round.requestedAtMs = this.#clock.now();
    const { requestedAtMs, cancel } = round;
    this.#api
      .myOrders({}, cancel.signal)
      .then((orders) => {
        this.#latest = { orders, requestedAtMs };
        round.resolve(this.#latest);
      }, round.reject)
      .finally(() => {
        const next = this.#next;
        this.#current = undefined;
        this.#next = undefined;
        if (next !== undefined && next.readers > 0) this.#begin(next);
      });
  }

  /** Waits with the others; the request is cancelled when the last of them has gone. */
  async #join(round: Round, signal: AbortSignal | undefined): Promise<OrderListing> {
    round.readers++;
    try {
      return await untilAborted(round.listing, signal);
    } finally {
      if (--round.readers === 0 && round === this.#current) round.cancel.abort();
    }
  }
}

/** Rejects with the signal's reason when it aborts first. */
async function untilAborted<T>(what: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  signal?.throwIfAborted();
  const gone = Promise.withResolvers<never>();
  const leave = () => gone.reject(signal?.reason);
  signal?.addEventListener("abort", leave, { once: true });
  try {
    return await Promise.race([what, gone.promise]);
  } finally {
    signal?.removeEventListener("abort", leave);
  }
}

function newRound(): Round {
  const { promise, resolve, reject } = Promise.withResolvers<OrderListing>();
  // Its readers see the failure; with none left nobody needs to.
  promise.catch(() => {});
  return {
    requestedAtMs: Number.NEGATIVE_INFINITY,
    listing: promise,
    resolve,
    reject,
    readers: 0,
    cancel: new AbortController(),
  };
}
