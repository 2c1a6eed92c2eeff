import type { Order } from "../clore/types.ts";
import { type Entry, type Ledger, mayBill } from "../ledger/ledger.ts";
import type { Claims } from "./claims.ts";
import { type FindIo, findOrder } from "./find.ts";
import { type Proof, type ProofIo, proveByKey } from "./proof.ts";
import type { RentalRecord } from "./record.ts";

/**
 * Whose an order is that was found by its server alone. Only the key makes it ours, and only what is on record
 * elsewhere, or a host that names its owner, makes it theirs. A host that is silent or refuses the key may be a bad one
 * of ours.
 */
export type Whose = "ours" | "theirs" | "unknown";

/** @param isOwn whether the resource that the host names may have the order */
export function whoseBy(proof: Proof, isOwn: (owner: string) => boolean): Whose {
  if (proof.is !== "ours" || proof.owner === "unreadable") return "unknown";
  return proof.owner === undefined || isOwn(proof.owner) ? "ours" : "theirs";
}

/** Tries the key, for a while where the order is young. */
export async function whose(
  order: Order,
  privateKey: string,
  isOwn: (owner: string) => boolean,
  io: ProofIo,
): Promise<Whose> {
  return whoseBy(await proveByKey(order, privateKey, io), isOwn);
}

/**
 * The order that may stand behind a rental whose order id nobody knows. What others are known to have is left out.
 * @throws what `findOrder` throws
 */
export function findFor(
  { intentId, serverId, certain }: Pick<RentalRecord, "intentId" | "serverId" | "certain">,
  io: Omit<FindIo, "accepted"> & { ledger: Ledger; claims?: Claims },
  before: ReadonlySet<number> = new Set(),
): Promise<Order | undefined> {
  const isTheirs = (order: Order) =>
    before.has(order.orderId) ||
    io.claims?.isRecorded({ orderId: order.orderId }) === true ||
    io.ledger.entries().some((one) => one.intentId !== intentId && isBehind(order, one, certain));
  return findOrder(serverId, isTheirs, { ...io, accepted: certain });
}

/** Whether it is another entry's. A server carries one order at a time: that of the create that was accepted. */
function isBehind(order: Order, other: Entry, isAccepted: boolean): boolean {
  if (other.orderId !== undefined) return other.orderId === order.orderId;
  return other.serverId === order.serverId && mayBill(other) && other.accepted && !isAccepted;
}
