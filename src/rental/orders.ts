import type { CloreApi, Order } from "../clore/types.ts";

/**
 * What listings say of one order. One listing without it proves little (the service has been seen to leave rows out),
 * an empty one nothing, so the completed orders are asked too.
 */
export type Presence = { is: "live"; order: Order } | { is: "ended" } | { is: "unknown"; seen: string };

/** Looks whether an order is live. Costs one call while it is; a second one when it is not listed. */
export async function presence(clore: CloreApi, orderId: number, signal?: AbortSignal): Promise<Presence> {
  const listed = await clore.myOrders({}, signal);
  const order = listed.find((candidate) => candidate.orderId === orderId);
  if (order) return order.expired ? { is: "ended" } : { is: "live", order };
  const all = await clore.myOrders({ includeCompleted: true }, signal);
  const completed = all.find((candidate) => candidate.orderId === orderId);
  if (completed) return completed.expired ? { is: "ended" } : { is: "live", order: completed };
  if (listed.length > 0) return { is: "ended" };
  return { is: "unknown", seen: "the listing of orders is empty, and the completed ones do not name it" };
}
