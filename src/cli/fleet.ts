import { type Backend, readBackend } from "../backend/backend.ts";
import { type Owner, ownerOf } from "../backend/ownership.ts";
import type { OwnedServer } from "../backend/state.ts";
import type { Order } from "../clore/types.ts";
import { isRunning } from "../core/is-running.ts";
import { parseHours } from "../cost/duration.ts";
import { ageMs } from "../rental/age.ts";
import { ratesFor } from "../rental/rates.ts";
import type { Account } from "./account.ts";
import type { CommandIo } from "./command.ts";

/** One live order with all that is known of it. */
export interface FleetOrder {
  order: Order;
  /** `undefined`: the stacks could not be read. */
  owner: Owner | undefined;
  /** USD; undefined where no rate is known. */
  pricePerDayUsd: number | undefined;
  spentUsd: number | undefined;
  ageMs: number;
  /** When its lease ends, by the order's own time. `undefined`: it has none, or nobody knows. */
  leaseEndsAt: Date | undefined;
}

/** Reads the states of all stacks. @throws `backend.no-cli`, `backend.unreadable` */
export function readStacks(io: CommandIo): Promise<Backend> {
  return readBackend({ env: io.env, signal: io.signal });
}

/** Live orders, each with its owner by the states and this machine's ledger. */
export async function fleetOf(
  orders: readonly Order[],
  backend: Backend | undefined,
  account: Account,
  now = Date.now(),
): Promise<FleetOrder[]> {
  const live = orders.filter((order) => !order.expired);
  const rate = await ratesFor(live, account);
  const entries = account.ledger.entries();
  return live.map((order) => {
    const usd = rate(order.currency);
    const owner = backend && ownerOf(order, { backend, entries, isRunning });
    return {
      order,
      owner,
      pricePerDayUsd: usd === undefined ? undefined : order.pricePerDay * usd,
      spentUsd: usd === undefined ? undefined : order.spent * usd,
      ageMs: ageMs(order, now),
      leaseEndsAt: owner?.by === "stack" ? leaseEnd(owner.server, order, now) : undefined,
    };
  });
}

/** The lease counts from the order's start, whatever was known when the state was written. */
export function leaseEnd(server: OwnedServer, order: Order, now: number): Date | undefined {
  const hours = server.lease === undefined ? undefined : parseHours(server.lease);
  if (hours !== undefined) return new Date(now - ageMs(order, now) + hours * 3_600_000);
  if (server.lease === "none" || server.leaseEndsAt === undefined) return undefined;
  const at = new Date(server.leaseEndsAt);
  return Number.isNaN(at.getTime()) ? undefined : at;
}

/** "proxy/dev gpu": stack and resource, for people. */
export function ownerName(owner: Owner | undefined): string {
  if (owner === undefined) return "?";
  if (owner.by === "nobody") return "nobody";
  const urn = owner.by === "stack" ? owner.server.urn : owner.entry.urn;
  const [head = "", project = "", , name = ""] = urn.split("::");
  return `${project}/${head.replace("urn:pulumi:", "")} ${name}${owner.by === "ledger" ? " (ledger)" : ""}`;
}
