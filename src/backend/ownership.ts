import type { Order } from "../clore/types.ts";
import { counted } from "../core/counted.ts";
import { type Entry, mayBill } from "../ledger/ledger.ts";
import type { Backend } from "./backend.ts";
import type { OwnedServer } from "./state.ts";

/** Whose an order is, and what makes us think so. */
export type Owner =
  /** A stack's state names it. */
  | { by: "stack"; server: OwnedServer; because: string }
  /** A run of this machine is renting it, or has rented it for a stack that is kept elsewhere. */
  | { by: "ledger"; entry: Entry; because: string }
  /** `mayBeUnderWay`: a run elsewhere may be renting it, and no state or ledger here can tell. */
  | { by: "nobody"; entry: Entry | undefined; mayBeUnderWay: boolean; because: string };

export interface OwnershipView {
  backend: Backend;
  /** Of this machine's ledger. */
  entries: readonly Entry[];
  isRunning(pid: number): boolean;
}

/** Pure: decides by the states of all stacks first, then by the ledger. */
export function ownerOf(order: Pick<Order, "orderId" | "serverId">, view: OwnershipView): Owner {
  const { servers, stacks, pendingRentals } = view.backend;
  const server =
    servers.find((one) => one.orderId === order.orderId) ??
    servers.find((one) => one.orderId === undefined && one.serverId === order.serverId);
  if (server) {
    const because =
      server.orderId === undefined ? "its state has a possible order on that server" : "its state names it";
    return { by: "stack", server, because };
  }
  const entry = entryOf(order, view.entries);
  if (!entry) {
    const mayBeUnderWay = pendingRentals.length > 0;
    const pending = mayBeUnderWay ? `; under way or cut short: ${pendingRentals.map(nameOf).join(", ")}` : "";
    const because = `no state of ${counted(stacks.length, "stack")} names it, and this machine has not rented it${pending}`;
    return { by: "nobody", entry: undefined, mayBeUnderWay, because };
  }
  if (mayBill(entry) && view.isRunning(entry.pid)) {
    return { by: "ledger", entry, because: `process ${entry.pid} is renting it for ${nameOf(entry.urn)}` };
  }
  const stack = stacks.find((name) => isStackOf(name, entry.urn));
  if (stack === undefined) {
    return {
      by: "ledger",
      entry,
      because: `rented here for a stack that this backend does not have (${entry.urn})`,
    };
  }
  const because = entry.kept
    ? `the state of ${stack} named it once, as ${nameOf(entry.urn)}, and does no longer`
    : `process ${entry.pid}, which rented it for ${nameOf(entry.urn)}, is gone, and the state of ${stack} does not name it`;
  return { by: "nobody", entry, mayBeUnderWay: false, because };
}

function entryOf(order: Pick<Order, "orderId" | "serverId">, entries: readonly Entry[]): Entry | undefined {
  return (
    entries.findLast((entry) => entry.orderId === order.orderId) ??
    entries.findLast(
      (entry) => entry.orderId === undefined && mayBill(entry) && entry.serverId === order.serverId,
    )
  );
}

/** `organization/project/stack`, or the stack alone in old backends, against `urn:pulumi:stack::project::…`. */
function isStackOf(name: string, urn: string): boolean {
  const [head = "", project = ""] = urn.split("::");
  const stack = head.slice("urn:pulumi:".length);
  const parts = name.split("/");
  return parts.at(-1) === stack && (parts.length === 1 || parts.at(-2) === project);
}

const nameOf = (urn: string): string => urn.split("::").at(-1) ?? urn;
