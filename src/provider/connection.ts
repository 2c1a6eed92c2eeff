import { z } from "zod";
import { CloreError } from "../core/errors.ts";
import { mayBill } from "../ledger/ledger.ts";
import type { LiveServer } from "../rental/bring-up.ts";
import { presence } from "../rental/orders.ts";
import type { SshConnection } from "../ssh/types.ts";
import type { Call } from "./handler.ts";

/** What a Server hands to what runs on it; see resources/server.ts. */
export const connectionSchema = z.object({
  address: z.string(),
  port: z.int().min(1).max(65535),
  user: z.string(),
  privateKey: z.string(),
  hostKey: z.string(),
  orderId: z.number().optional(),
});

export type ConnectionInputs = z.infer<typeof connectionSchema>;

/** The way to a server that was just rented. */
export function connectionOf({ target, order }: Pick<LiveServer, "target" | "order">): ConnectionInputs {
  const { address, port, user, hostKey, privateKey } = target;
  return { address, port, user, hostKey, privateKey, orderId: order.orderId };
}

/** Whether two connections lead to the same machine, whatever key opens it. */
export function sameMachine(a: ConnectionInputs | undefined, b: ConnectionInputs | undefined): boolean {
  return (
    a?.address === b?.address && a?.port === b?.port && a?.hostKey === b?.hostKey && a?.orderId === b?.orderId
  );
}

/**
 * Removes what runs on a server. With a rented one that was given back or has vanished it is gone already, and so it is
 * with one that lets nobody in and for which another stands in already: no waiting for SSH to the dead.
 * @throws CloreError `ssh.*` where the server may be needed still, and what `remove` throws
 */
export async function removeFrom(
  connection: ConnectionInputs,
  call: Call,
  remove: (ssh: SshConnection) => Promise<void>,
): Promise<void> {
  const { orderId } = connection;
  const { ledger, ssh: pool, clore } = call.plugin;
  const entries = orderId === undefined ? [] : ledger.entries();
  const own = entries.find((entry) => entry.orderId === orderId);
  if (own && !mayBill(own)) return;
  try {
    await using ssh = await pool.acquire(connection, { deadlineMs: 30_000, signal: call.signal });
    await remove(ssh);
  } catch (error) {
    call.signal.throwIfAborted();
    if (!(error instanceof CloreError) || !error.code.startsWith("ssh.") || orderId === undefined)
      throw error;
    const isReplaced = entries.some((one) => one.urn === own?.urn && one.at > own.at && mayBill(one));
    if (isReplaced) {
      call.log.warn(`left on the server of order ${orderId}, which goes: ${error.code}: ${error.message}`);
    } else if ((await presence(clore, orderId, call.signal)).is !== "ended") throw error;
  }
}
