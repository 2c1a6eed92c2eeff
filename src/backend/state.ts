import { z } from "zod";
import { unreadable } from "./pulumi.ts";

/** A rented server as a stack's state has it. */
export interface OwnedServer {
  /** See `Backend.stacks`. */
  stack: string;
  urn: string;
  /** Pulumi's id of the resource. */
  resourceId: string;
  /** `undefined`: an order on the server may exist, and nobody knew when the state was written. */
  orderId: number | undefined;
  serverId: number;
  account: string;
  /** The ledger's intent behind it, on the machine that rented it. */
  intentId: string;
  image: string;
  market: "on-demand" | "spot";
  /** Whether the order is surely the stack's: the service said yes to its create, or its key opened it. */
  certain: boolean;
  pricePerDay: number;
  currency: string;
  /** 0 where it is not known. */
  pricePerDayUsd: number;
  /** As written or configured: "8h", "none"; undefined where the state says nothing. */
  lease: string | undefined;
  /** ISO time; undefined without a lease. */
  leaseEndsAt: string | undefined;
  /** Replaced already, and waits for its deletion. */
  waitsForDeletion: boolean;
}

const rentalSchema = z.object({
  account: z.string(),
  intentId: z.string(),
  image: z.string(),
  market: z.enum(["on-demand", "spot"]),
  serverId: z.number(),
  orderId: z.number().optional(),
  certain: z.boolean(),
  currency: z.string(),
  pricePerDay: z.number(),
  pricePerDayUsd: z.number(),
});

const resourceSchema = z.object({
  urn: z.string(),
  type: z.string(),
  id: z.string().optional(),
  delete: z.boolean().optional(),
  inputs: z.record(z.string(), z.unknown()).optional(),
  outputs: z.record(z.string(), z.unknown()).optional(),
});

const exportSchema = z.object({
  deployment: z.object({
    resources: z.array(resourceSchema).nullish(),
    pending_operations: z.array(z.object({ resource: resourceSchema, type: z.string() })).nullish(),
  }),
});

/** What one stack owns. */
export interface StackState {
  stack: string;
  servers: readonly OwnedServer[];
  /** Servers whose create or update is under way or was cut short: what it rents is not in the state. */
  pendingRentals: readonly string[];
}

const serverType = "clore:index:Server";

/**
 * Reads what `pulumi stack export` prints. Half-made and replaced servers count, and those that only a pending
 * operation names.
 * @throws CloreError `backend.unreadable` when a rented server's record has another form than this version knows
 */
export function readState(stack: string, exported: unknown): StackState {
  const parsed = exportSchema.safeParse(exported);
  if (!parsed.success) throw unreadable(`the state of ${stack}`, z.prettifyError(parsed.error), parsed.error);
  const { resources, pending_operations: pending } = parsed.data.deployment;
  const operations = (pending ?? []).filter(({ resource }) => resource.type === serverType);
  const all = [...(resources ?? []), ...operations.map(({ resource }) => resource)];
  const servers = all.flatMap((resource) => ownedServer(stack, resource) ?? []);
  const seen = new Set<string>();
  return {
    stack,
    servers: servers.filter(({ orderId, serverId, resourceId }) => {
      const name = `${resourceId} ${orderId} ${serverId}`;
      return !seen.has(name) && seen.add(name);
    }),
    pendingRentals: operations
      .filter(({ type }) => type === "creating" || type === "updating")
      .map(({ resource }) => resource.urn),
  };
}

function ownedServer(stack: string, resource: z.infer<typeof resourceSchema>): OwnedServer | undefined {
  const { outputs, inputs, urn } = resource;
  if (resource.type !== serverType || outputs?.kind === "existing") return undefined;
  // A create that is under way has inputs only.
  if (outputs?.rental === undefined && outputs?.orderId === undefined) return undefined;
  const rental = rentalSchema.safeParse(outputs.rental);
  if (!rental.success) {
    throw unreadable(`the record of ${urn} in ${stack}`, z.prettifyError(rental.error), rental.error);
  }
  return {
    stack,
    urn,
    resourceId: resource.id ?? "",
    ...rental.data,
    orderId: rental.data.orderId,
    lease: text(inputs?.lease),
    leaseEndsAt: text(outputs.leaseEndsAt),
    waitsForDeletion: resource.delete ?? false,
  };
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
