import type { World } from "../api.ts";
import { invalid, ok, type Reply, refused } from "../reply.ts";

const lowerEveryMs = 600_000;

/** How far one call may lower a bid, as a share of it. The real step is not known. */
const stepShare = 0.1;

/** Changes the bid of a spot order. Raising is free and takes an outbid order back; lowering has a pause and a step. */
export function setSpotPrice({ book, time }: World, orderId: unknown, desired: unknown): Reply {
  if (typeof orderId !== "number" || typeof desired !== "number" || !Number.isFinite(desired))
    return invalid("desired_price");
  book.settle();
  const order = book.active().find((one) => one.id === orderId);
  if (!order) return refused("order_dont_exist");
  if (order.kind !== "spot") return invalid("order_id");
  if (desired < (order.row.price.spot[order.coin] ?? 0)) return refused("amount_too_low");
  const now = time.now();
  if (desired < order.pricePerDay) {
    const waited = order.loweredAt === undefined ? lowerEveryMs : now - order.loweredAt;
    if (waited < lowerEveryMs) {
      return refused("can_lower_every_600_seconds", {
        time_to_lowering: Math.ceil((lowerEveryMs - waited) / 1000),
      });
    }
    const maxStep = order.pricePerDay * stepShare;
    if (order.pricePerDay - desired > maxStep * (1 + 1e-9))
      return refused("exceeded_max_step", { max_step: maxStep });
    order.loweredAt = now;
  } else if (desired >= order.pricePerDay * 1.1) {
    order.outbid = false;
  }
  order.pricePerDay = desired;
  return ok();
}
