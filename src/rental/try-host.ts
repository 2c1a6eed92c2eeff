import { CloreError } from "../core/errors.ts";
import type { AcquireIo } from "./acquire.ts";
import { bringUp, type LiveServer, type Wanted } from "./bring-up.ts";
import type { RentalRecord } from "./record.ts";
import { release } from "./release.ts";
import { UnfinishedRental } from "./unfinished.ts";

/** Brings an order up; a host that is at fault is given back and remembered. */
export async function tryHost(
  record: RentalRecord,
  want: Wanted,
  io: AcquireIo,
): Promise<{ live: LiveServer } | { failed: string }> {
  let isFault = isHostFault;
  try {
    const wasCertain = record.certain;
    const live = await bringUp(record, want, io);
    isFault = hasFailedTrial;
    await want.trial?.(live);
    if (!wasCertain && record.orderId !== undefined) {
      io.ledger.conclude(record.intentId, { outcome: "order", orderId: record.orderId, certain: true });
    }
    io.hosts.succeeded(record.serverId);
    return { live };
  } catch (error) {
    if (error instanceof CloreError && error.code === "rental.not-ours") {
      io.ledger.conclude(record.intentId, { outcome: "absent" });
      return { failed: error.message };
    }
    if (io.signal.aborted || !isFault(error)) throw new UnfinishedRental(record, error);
    if (want.kept !== undefined && !endsKept.has(error.code))
      throw new UnfinishedRental(record, error, want.kept);
    const reason = `${error.code}: ${error.message}${error.seen ? ` (${error.seen})` : ""}`;
    io.hosts.failed(record.serverId, reason);
    try {
      await release(record, error.code, io);
    } catch (unreleased) {
      throw new UnfinishedRental(record, unreleased);
    }
    return { failed: reason };
  }
}

/** What ends an order that is otherwise kept: it is over already, or it failed a trial that was asked for. */
const endsKept = new Set(["rental.vanished", "host.too-weak"]);

/** Of what goes wrong in a trial, much is the program's own: a crashing service would crash on 25 hosts. */
function hasFailedTrial(error: unknown): error is CloreError {
  return error instanceof CloreError && /^(ssh\.|host\.(too-weak|disk-full))/.test(error.code);
}

/** The host's fault, and no other host would share it. */
function isHostFault(error: unknown): error is CloreError {
  return error instanceof CloreError && /^(ssh|host|rental\.(boot|vanished|dearer))/.test(error.code);
}
