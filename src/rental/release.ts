import type { CloreApiError } from "../clore/errors.ts";
import type { CloreApi, Order } from "../clore/types.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { CloreError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { type Look, until } from "../core/until.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Claims } from "./claims.ts";
import { otherAccount, presence, presenceOf } from "./orders.ts";
import type { RentalRecord } from "./record.ts";
import { findFor, type Whose } from "./whose.ts";

export interface ReleaseIo {
  clore: CloreApi;
  ledger: Ledger;
  account: string;
  log: Log;
  signal: AbortSignal;
  clock?: Clock;
  /** Pause between looks, in milliseconds. @default 1000 */
  pollMs?: number;
  /** What this process knows of others. */
  claims?: Claims;
  /** Asks the order's server; without it an order that is not surely ours is left alone. */
  whose?(order: Order): Promise<Whose>;
}

/** The most to wait until a cancelled order is confirmed gone, in milliseconds. */
const confirmMs = 60_000;
/** An order can take 20 s to appear. */
const appearPolls = 25;
/** A cancel that was acknowledged but shows no effect is repeated after so many looks. */
const looksBeforeRepeat = 8;

/**
 * Gives a rented server back: cancels its order and reads until it is gone. "Already gone" is success.
 * @throws CloreError `rental.other-account` when the configured key is not of the account that pays;
 *   `rental.cancel-unconfirmed` naming order and price when the end could not be confirmed
 */
export async function release(record: RentalRecord, reason: string, io: ReleaseIo): Promise<void> {
  const orderId = await orderToCancel(record, io);
  if (orderId === undefined) return;
  await cancelAndConfirm(orderId, record, reason, io);
  io.ledger.conclude(record.intentId, { outcome: "cancelled", reason });
}

/** The order that is surely the record's own; undefined, and concluded, when it is over or there is none. */
async function orderToCancel(record: RentalRecord, io: ReleaseIo): Promise<number | undefined> {
  const { orderId, intentId } = record;
  const isRenamed = record.account !== io.account;
  if (orderId !== undefined && record.certain && !isRenamed) return orderId;
  const found =
    orderId === undefined ? await foundOn(record, io) : await presenceOf({ ...record, orderId }, io);
  if (found.is === "ended") {
    io.ledger.conclude(intentId, { outcome: orderId === undefined ? "absent" : "ended" });
    return undefined;
  }
  if (found.is === "unknown") throw unproven(record);
  const { order } = found;
  if (orderId !== undefined && record.certain) return orderId;
  // It was found by its server, now or once: the key decides.
  const whose = (await io.whose?.(order)) ?? "unknown";
  if (whose === "ours") return order.orderId;
  if (whose === "unknown") throw unproven({ ...record, orderId: order.orderId });
  if (isRenamed) throw otherAccount(record);
  io.ledger.conclude(intentId, { outcome: "absent" });
  return undefined;
}

async function foundOn(
  record: RentalRecord,
  io: ReleaseIo,
): Promise<{ is: "live"; order: Order } | { is: "ended" }> {
  const order = await findFor(record, { ...io, limitMs: appearPolls * (io.pollMs ?? 1000) });
  if (order) return { is: "live", order };
  if (record.account !== io.account) throw otherAccount(record);
  return { is: "ended" };
}

async function cancelAndConfirm(
  orderId: number,
  record: RentalRecord,
  reason: string,
  io: ReleaseIo,
): Promise<void> {
  const clock = io.clock ?? systemClock;
  let acknowledged = 0;
  let over = false;
  let looksSince = 0;
  let emptyReads = 0;
  let trouble = "not asked yet";
  const cancel = async () => {
    io.log.status(`cancelling order ${orderId} (${reason})`);
    looksSince = 0;
    try {
      await io.clore.cancelOrder(orderId, undefined, io.signal);
      acknowledged++;
      trouble = "the cancel was acknowledged and the order is still listed";
    } catch (error) {
      io.signal.throwIfAborted();
      // Refused or unclear: what counts is what the listing says next.
      if (!(error instanceof CloreError)) throw error;
      trouble = `${error.code}: ${error.message}`;
      over = error.code === "clore.order-not-active";
      if (isFatal(error)) throw unconfirmed(orderId, record, trouble, error);
    }
  };
  const look = async (): Promise<Look<void>> => {
    if (acknowledged === 0 || looksSince >= looksBeforeRepeat) await cancel();
    looksSince++;
    const seen = await presence(io.clore, orderId, io.signal).catch((error: unknown) => {
      io.signal.throwIfAborted();
      if (!(error instanceof CloreError)) throw error;
      return { is: "unread", seen: `${error.code}: ${error.message}` } as const;
    });
    if (seen.is === "ended") return { done: true, value: undefined };
    if (seen.is === "unknown" && seen.seen.includes("empty")) {
      // The last order of an account leaves an empty listing, and so does a fault of the service: it counts only
      // when it was read twice and a second cancel was acknowledged too, or refused because the order is over.
      emptyReads++;
      if (emptyReads >= 2 && (over || acknowledged >= 2)) return { done: true, value: undefined };
      if (emptyReads === 2) await cancel();
    }
    return { done: false, seen: seen.is === "live" ? trouble : `${seen.seen}; ${trouble}` };
  };
  try {
    await until(look, {
      what: `the end of order ${orderId}`,
      deadlineMs: confirmMs,
      everyMs: io.pollMs ?? 1000,
      signal: io.signal,
      clock,
      code: "rental.cancel-unconfirmed",
    });
  } catch (error) {
    if (error instanceof CloreError && error.code === "rental.cancel-unconfirmed") {
      throw unconfirmed(orderId, record, error.seen ?? error.message, error);
    }
    throw error;
  }
}

/** A wrong key stays wrong. */
function isFatal(error: CloreError): error is CloreApiError {
  return error.code === "clore.invalid-token" || error.code === "clore.no-api-key";
}

function unconfirmed(orderId: number, record: RentalRecord, seen: string, cause: unknown): CloreError {
  return new CloreError("rental.cancel-unconfirmed", {
    message: `order ${orderId} (server ${record.serverId}) may still bill ${record.pricePerDay} ${record.currency} per day: its end could not be confirmed`,
    seen,
    hint: "run `pulumi destroy` again, or cancel the order on clore.ai; the state keeps it",
    retry: "look-first",
    cause,
  });
}

/** An order that may be ours, and bills. */
export function unproven({ orderId, serverId, pricePerDay, currency }: RentalRecord): CloreError {
  return new CloreError("rental.unproven", {
    message: `order ${orderId} on server ${serverId} (${pricePerDay} ${currency} per day) was found by its server alone, and our key was not seen to open it`,
    hint: "it may belong to another stack of the same account: look at it on clore.ai, cancel it there if nobody needs it, then run again",
    retry: "look-first",
  });
}
