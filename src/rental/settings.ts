import { createHash } from "node:crypto";
import type { CreateOrderRequest } from "../clore/types.ts";

/**
 * A digest of how an order is set up, beside its image. The service shows of it the ports at most, and an order cannot
 * be changed: one that a run has left is of use only if this is still what is asked for.
 */
export function orderSettings(
  want: Pick<CreateOrderRequest, "ports" | "env" | "command" | "autosshEntrypoint">,
): string {
  const sorted = (record: object = {}) => Object.entries(record).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const text = JSON.stringify([
    sorted(want.ports),
    sorted(want.env),
    want.command ?? "",
    want.autosshEntrypoint ?? false,
  ]);
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
