import type { SharedOrders } from "../clore/shared-orders.ts";
import type { Order } from "../clore/types.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { CloreError } from "../core/errors.ts";
import { connect } from "../ssh/connect.ts";
import { targetOf } from "./bring-up.ts";
import { readOwner } from "./owner.ts";

/** What came of trying a key on an order's server. */
export type Proof =
  /** The key opens it. `owner`: the resource that has said it is its own (see owner.ts). */
  | { is: "ours"; owner: string | undefined }
  /** The server answers and does not accept the key. */
  | { is: "foreign" }
  /** It could not be asked. */
  | { is: "unknown"; seen: string };

export interface ProofIo {
  orders: SharedOrders;
  signal: AbortSignal;
  clock?: Clock;
  /** Pause between two attempts, in milliseconds. @default 1000 */
  pollMs?: number;
}

/** An order counts as starting so long, in milliseconds: its server may not answer yet, or not have its key yet. */
const youngMs = 10 * 60_000;
/** A server that is just starting is asked so often. */
const startingPolls = 60;
/** One that speaks and refuses the key so often is somebody else's, however young it is. */
const mostRefusals = 4;

/** One attempt to log in, in milliseconds: proofs are sought among strangers' servers too. */
const attemptMs = 8_000;

/**
 * Whether the key opens the order's server. Orders carry no label, so this is the proof of whose they are. A young
 * order is asked again for a while: a run that was killed a moment ago may have left it.
 */
export async function proveByKey(order: Order, privateKey: string, io: ProofIo): Promise<Proof> {
  const clock = io.clock ?? systemClock;
  const pollMs = io.pollMs ?? 1000;
  const isYoung = Math.abs(clock.now() - order.createdAt.getTime()) < youngMs;
  let row: Order | undefined = order;
  let proof: Proof = { is: "unknown", seen: "not asked" };
  let refusals = 0;
  for (let tries = 1; row && tries <= (isYoung ? startingPolls : 2); tries++) {
    proof = await tryKey(row, privateKey, io.signal);
    if (proof.is === "foreign") refusals++;
    if (proof.is === "ours" || refusals >= (isYoung ? mostRefusals : 1)) return proof;
    await clock.sleep(pollMs, io.signal);
    // Address and port may only be known later; an order that has gone needs no proof.
    const { orders } = await io.orders.read({ notBefore: clock.now() - pollMs / 2, signal: io.signal });
    row = orders.length === 0 ? row : orders.find((one) => one.orderId === order.orderId);
  }
  return proof;
}

async function tryKey(order: Order, privateKey: string, signal: AbortSignal): Promise<Proof> {
  try {
    const target = targetOf(order, { privateKey });
    await using ssh = await connect(target, { timeoutMs: attemptMs, signal });
    return { is: "ours", owner: await readOwner(ssh, signal) };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof CloreError)) throw error;
    return error.code === "ssh.auth-failed" ? { is: "foreign" } : { is: "unknown", seen: error.message };
  }
}
