import type { CloreApi, Order } from "../clore/types.ts";
import { CloreError } from "../core/errors.ts";
import type { RentalRecord } from "./record.ts";

/**
 * What listings say of one order. One listing without it proves little (the service has been seen to leave rows out),
 * an empty one nothing, so the completed orders are asked too.
 */
export type Presence =
  | { is: "live"; order: Order }
  /** `isNamed`: a listing says so itself; otherwise no listing names it. */
  | { is: "ended"; isNamed: boolean }
  | { is: "unknown"; seen: string };

/** Looks whether an order is live. Costs one call while it is; a second one when it is not listed. */
export async function presence(clore: CloreApi, orderId: number, signal?: AbortSignal): Promise<Presence> {
  const listed = await clore.myOrders({}, signal);
  const order = listed.find((candidate) => candidate.orderId === orderId);
  if (order) return order.expired ? { is: "ended", isNamed: true } : { is: "live", order };
  const all = await clore.myOrders({ includeCompleted: true }, signal);
  const completed = all.find((candidate) => candidate.orderId === orderId);
  if (completed) return completed.expired ? { is: "ended", isNamed: true } : { is: "live", order: completed };
  if (listed.length > 0) return { is: "ended", isNamed: false };
  return { is: "unknown", seen: "the listing of orders is empty, and the completed ones do not name it" };
}

/**
 * As `presence`, of an order that is on record. One account has several names when its API key is changed, and then its
 * listings name the order all the same; those of another account say nothing of it.
 * @throws CloreError `rental.other-account`
 */
export async function presenceOf(
  record: Pick<RentalRecord, "account" | "serverId"> & { orderId: number },
  io: { clore: CloreApi; account: string; signal: AbortSignal },
): Promise<Presence> {
  const seen = await presence(io.clore, record.orderId, io.signal);
  const isNamed = seen.is === "live" || (seen.is === "ended" && seen.isNamed);
  if (record.account !== io.account && !isNamed) throw otherAccount(record);
  return seen;
}

export function otherAccount(record: Pick<RentalRecord, "orderId" | "serverId">): CloreError {
  return new CloreError("rental.other-account", {
    message: `order ${record.orderId ?? `on server ${record.serverId}`} was rented with another Clore.ai key or API address, and this one's listings do not name it`,
    hint: "configure the key that rented it, or another key of the same account (clore:apiKey or CLORE_API_KEY), and run again; it bills until then",
  });
}
