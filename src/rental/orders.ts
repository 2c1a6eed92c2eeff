import type { CloreApi, Order } from "../clore/types.ts";

/**
 * What a listing says of one order. An empty listing proves nothing (the service has been seen to give one by
 * mistake), so it is `unknown` unless the completed orders name the order.
 */
export type Presence = { is: "live"; order: Order } | { is: "ended" } | { is: "unknown"; seen: string };

/** Looks whether an order is live. Costs one call; a second one only when the listing is empty. */
export async function presence(clore: CloreApi, orderId: number, signal?: AbortSignal): Promise<Presence> {
  const listed = await clore.myOrders({}, signal);
  const order = listed.find((candidate) => candidate.orderId === orderId);
  if (order) return order.expired ? { is: "ended" } : { is: "live", order };
  if (listed.length > 0) return { is: "ended" };
  const all = await clore.myOrders({ includeCompleted: true }, signal);
  const completed = all.find((candidate) => candidate.orderId === orderId);
  if (completed) return completed.expired ? { is: "ended" } : { is: "live", order: completed };
  return { is: "unknown", seen: "the listing of orders is empty, and the completed ones do not name it" };
}
