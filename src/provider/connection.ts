import { z } from "zod";
import { CloreError } from "../core/errors.ts";
import type { LiveServer } from "../rental/bring-up.ts";
import { presence } from "../rental/orders.ts";
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

/** What ran on a rented machine that was given back, or vanished, is gone too. */
export async function machineIsGone(
  { orderId }: ConnectionInputs,
  error: unknown,
  call: Call,
): Promise<boolean> {
  if (!(error instanceof CloreError) || !error.code.startsWith("ssh.") || orderId === undefined) return false;
  return (await presence(call.plugin.clore, orderId, call.signal)).is === "ended";
}
