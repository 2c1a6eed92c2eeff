import { z } from "zod";

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

/** Whether two connections lead to the same machine, whatever key opens it. */
export function sameMachine(a: ConnectionInputs | undefined, b: ConnectionInputs | undefined): boolean {
  return (
    a?.address === b?.address && a?.port === b?.port && a?.hostKey === b?.hostKey && a?.orderId === b?.orderId
  );
}
