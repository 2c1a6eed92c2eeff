import type { CloreApiError } from "../clore/errors.ts";
import type { CloreApi } from "../clore/types.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { CloreError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { type Look, until } from "../core/until.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { findOrder } from "./find.ts";
import { otherAccount, presence, presenceOf } from "./orders.ts";
import type { RentalRecord } from "./record.ts";

export interface ReleaseIo {
  clore: CloreApi;
  ledger: Ledger;
  account: string;
  log: Log;
  signal: AbortSignal;
  clock?: Clock;
  /** Pause between looks, in milliseconds. @default 1000 */
  pollMs?: number;
  /** Whether our key opens the order's server; without it an order that is not surely ours is left alone. */
  opens?(orderId: number): Promise<boolean>;
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
  if (record.account !== io.account) {
    if (record.orderId === undefined) throw otherAccount(record);
    const seen = await presenceOf({ ...record, orderId: record.orderId }, io);
    if (seen.is === "ended") return io.ledger.conclude(record.intentId, { outcome: "ended" });
  }
  const orderId =
    record.orderId ??
    (
      await findOrder(record.serverId, new Set(), {
        ...io,
        limitMs: appearPolls * (io.pollMs ?? 1000),
        accepted: record.certain,
      })
    )?.orderId;
  if (orderId === undefined) {
    io.ledger.conclude(record.intentId, { outcome: "absent" });
    return;
  }
  // A create that was cut short leaves an order that is only probably ours: the key decides.
  if (!record.certain && !(await io.opens?.(orderId))) throw unproven(orderId, record);
  await cancelAndConfirm(orderId, record, reason, io);
  io.ledger.conclude(record.intentId, { outcome: "cancelled", reason });
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

function unproven(orderId: number, record: RentalRecord): CloreError {
  return new CloreError("rental.unproven", {
    message: `order ${orderId} on server ${record.serverId} appeared after an unclear answer and our key was never seen to open it`,
    hint: "it may belong to another stack of the same account: look at it on clore.ai, cancel it there if nobody needs it, then run again",
    retry: "look-first",
  });
}
