import type { Order } from "../clore/types.ts";
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

/** One attempt to log in, in milliseconds: proofs are sought among strangers' servers too. */
const attemptMs = 8_000;

/**
 * Whether the key opens the order's server. Orders carry no label, so this is the proof of whose they are.
 * One attempt: a container that is just starting may refuse the key that it accepts a moment later.
 */
export async function proveByKey(order: Order, privateKey: string, signal: AbortSignal): Promise<Proof> {
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
