import { CloreError } from "../core/errors.ts";
import { formatUsd } from "../cost/price.ts";
import type { RentalRecord } from "./record.ts";

/** An order may exist and is not ready: the record must be kept. */
export class UnfinishedRental extends CloreError {
  readonly record: RentalRecord;

  constructor(record: RentalRecord, cause: unknown, hint?: string) {
    const inner = cause instanceof CloreError ? cause : undefined;
    super(inner?.code ?? "rental.unfinished", {
      message: `${record.orderId === undefined ? `an order on server ${record.serverId} may exist` : `order ${record.orderId} on server ${record.serverId} exists`} and is not ready: ${cause instanceof Error ? cause.message : String(cause)}`,
      seen: inner?.seen,
      hint:
        hint ??
        `run the same command again to go on with it, or \`pulumi destroy\` to give it back; it bills ${formatUsd(record.pricePerDayUsd)} per day until then`,
      retry: "look-first",
      cause,
    });
    this.record = record;
  }
}
