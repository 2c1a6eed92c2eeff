import type { Backend } from "../backend/backend.ts";
import type { Order } from "../clore/types.ts";
import { counted } from "../core/counted.ts";
import { CloreError } from "../core/errors.ts";
import { formatSeconds } from "../cost/duration.ts";
import { formatUsd } from "../cost/price.ts";
import { type Entry, mayBill } from "../ledger/ledger.ts";
import { closeEnded } from "../rental/budget.ts";
import { type Account, openAccount } from "./account.ts";
import type { Command } from "./command.ts";
import { readFlags } from "./flags.ts";
import { type FleetOrder, fleetOf, ownerName, readStacks } from "./fleet.ts";
import { table } from "./table.ts";

const usage = `clore ps [--json]

Every live order of your key: which stack owns it, its price, what it has cost so far, and
how long its lease still runs. Reads all stacks of the Pulumi backend that you are logged in to.

  --json   for programs

Needs CLORE_API_KEY, and the pulumi CLI to tell the owners.`;

/** `clore ps`: what bills right now, and for whom. */
export const command: Command = {
  name: "ps",
  summary: "every order: owner, price, spent, lease left",
  usage,
  async run(argv, io) {
    const { json } = readFlags("clore ps", argv, { json: { type: "boolean" } });
    using account = openAccount(io);
    let backend: Backend | undefined;
    let trouble: CloreError | undefined;
    const [orders] = await Promise.all([
      account.clore.myOrders({}, io.signal),
      readStacks(io).then(
        (read) => {
          backend = read;
        },
        (error: unknown) => {
          io.signal.throwIfAborted();
          if (!(error instanceof CloreError)) throw error;
          trouble = error;
        },
      ),
    ]);
    await closeWhatEnded(orders, account);
    const now = Date.now();
    const fleet = await fleetOf(orders, backend, account, now);
    const unlisted = missing(backend, orders);
    if (json) {
      io.out(
        JSON.stringify(
          { orders: fleet.map((one) => asJson(one, now)), unlisted, backend: trouble?.message ?? "read" },
          undefined,
          2,
        ),
      );
      return 0;
    }
    if (trouble)
      io.err(`owners are not known: ${trouble.message}${trouble.seen ? ` (${trouble.seen})` : ""}`);
    if (fleet.length === 0) io.out("no live orders are listed");
    else {
      const head = ["ORDER", "SERVER", "GPU", "OWNER", "USD/DAY", "SPENT", "AGE", "LEASE LEFT"];
      for (const line of table(
        head,
        fleet.map((one) => row(one, now)),
      ))
        io.out(line);
      io.out(`\n${counted(fleet.length, "order")}, ${formatUsd(sum(fleet))} per day`);
    }
    for (const one of unlisted)
      io.out(
        `order ${one.orderId} of ${one.stack} is in its state and not listed: ended, or the listing is not whole`,
      );
    const nobodys = fleet.filter(({ owner }) => owner?.by === "nobody").length;
    if (nobodys > 0) io.out(`${nobodys} of them belong to nobody: see clore sweep`);
    return 0;
  },
};

/** What the ledger takes for billing and no listing names is looked for among the completed orders. */
async function closeWhatEnded(orders: readonly Order[], account: Account): Promise<void> {
  const isUnlisted = (entry: Entry) =>
    entry.account === account.account &&
    mayBill(entry) &&
    entry.orderId !== undefined &&
    !orders.some(({ orderId }) => orderId === entry.orderId);
  if (!account.ledger.entries().some(isUnlisted)) return;
  const completed = await account.clore
    .myOrders({ includeCompleted: true }, account.signal)
    .catch((error: unknown) => {
      account.signal.throwIfAborted();
      if (!(error instanceof CloreError)) throw error;
      return []; // the next one will do
    });
  closeEnded({ orders: completed }, account);
}

function missing(backend: Backend | undefined, orders: readonly Order[]) {
  const listed = new Set(orders.map((order) => order.orderId));
  return (backend?.servers ?? []).flatMap(({ stack, urn, orderId }) =>
    orderId === undefined || listed.has(orderId) ? [] : [{ stack, urn, orderId }],
  );
}

function row(
  { order, owner, pricePerDayUsd, spentUsd, ageMs, leaseEndsAt }: FleetOrder,
  now: number,
): string[] {
  const gpus = new Set(order.gpus);
  return [
    String(order.orderId),
    String(order.serverId),
    order.gpus.length === 0 ? "none" : `${order.gpus.length}x ${[...gpus].join(" + ")}`,
    ownerName(owner),
    pricePerDayUsd === undefined ? `${order.pricePerDay} ${order.currency}` : pricePerDayUsd.toFixed(2),
    spentUsd === undefined ? `${order.spent} ${order.currency}` : spentUsd.toFixed(2),
    formatSeconds(ageMs / 1000),
    leaseLeft(leaseEndsAt, owner?.by === "stack" ? owner.server.lease : undefined, now),
  ];
}

function leaseLeft(endsAt: Date | undefined, lease: string | undefined, now: number): string {
  if (endsAt === undefined) return lease === "none" ? "none" : "-";
  const left = (endsAt.getTime() - now) / 1000;
  return left > 0 ? formatSeconds(left) : `over since ${formatSeconds(-left)}`;
}

function sum(fleet: readonly FleetOrder[]): number {
  return fleet.reduce((total, { pricePerDayUsd }) => total + (pricePerDayUsd ?? 0), 0);
}

function asJson({ order, owner, pricePerDayUsd, spentUsd, ageMs, leaseEndsAt }: FleetOrder, now: number) {
  return {
    orderId: order.orderId,
    serverId: order.serverId,
    gpus: order.gpus,
    owner: owner?.by ?? "unknown",
    stack: owner?.by === "stack" ? owner.server.stack : undefined,
    urn: owner?.by === "stack" ? owner.server.urn : owner?.by === "ledger" ? owner.entry.urn : undefined,
    because: owner?.because,
    pricePerDay: order.pricePerDay,
    currency: order.currency,
    pricePerDayUsd,
    spentUsd,
    ageSeconds: Math.round(ageMs / 1000),
    leaseEndsAt: leaseEndsAt?.toISOString(),
    leaseLeftSeconds: leaseEndsAt && Math.round((leaseEndsAt.getTime() - now) / 1000),
  };
}
