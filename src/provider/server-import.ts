import type { Order } from "../clore/types.ts";
import { CloreError } from "../core/errors.ts";
import { presence } from "../rental/orders.ts";
import { usdPerDayOf } from "../rental/rates.ts";
import type { RentalRecord } from "../rental/record.ts";
import type { Call } from "./handler.ts";
import { defaultImage, type ServerInputs } from "./server-inputs.ts";
import { offeredBy } from "./server-offered.ts";
import { type ServerState, unfinishedState } from "./server-state.ts";

/** `pulumi import clore:index:Server name <order id>`: what the order itself tells; the key must be given in the program. */
export async function importOrder(
  id: string,
  call: Call,
): Promise<{ id: string; inputs: Partial<ServerInputs>; state: ServerState } | undefined> {
  const orderId = Number(id.replace(/^order-/, ""));
  if (!Number.isInteger(orderId)) {
    throw new CloreError("rental.bad-import-id", {
      message: `${id} is no order id`,
      hint: "import a rented server by the number of its order: pulumi import clore:index:Server name 1939941",
    });
  }
  const { clore } = call.plugin;
  const seen = await presence(clore, orderId, call.signal);
  if (seen.is !== "live") return undefined;
  const { order } = seen;
  const record: RentalRecord = {
    intentId: `imported-${orderId}`,
    account: call.plugin.account(),
    serverId: order.serverId,
    orderId,
    certain: true,
    image: order.image ?? defaultImage,
    market: order.market,
    currency: order.currency as RentalRecord["currency"],
    pricePerDay: order.pricePerDay,
    pricePerDayUsd: await usdPerDayOf(order, { clore, signal: call.signal }),
    createdAt: order.createdAt.toISOString(),
    chosenBecause: "imported",
  };
  const inputs: Partial<ServerInputs> = { image: record.image, market: record.market, ports: portsOf(order) };
  const offered = await offeredBy(record, call);
  return {
    id: `order-${orderId}`,
    inputs,
    state: unfinishedState(record, offered),
  };
}

/** Whether the order was made by hand, or by a program that is gone. */
export function isImported(record: Pick<RentalRecord, "intentId">): boolean {
  return record.intentId.startsWith("imported-");
}

/** SSH is always there and is no input. */
function portsOf(order: Order): ServerInputs["ports"] {
  const tcp = Object.keys(order.tcpPorts).filter((port) => port !== "22");
  if (tcp.length === 0 && order.httpPort === undefined) return undefined;
  return {
    ...Object.fromEntries(tcp.map((port) => [port, "tcp" as const])),
    ...(order.httpPort === undefined ? {} : { [order.httpPort]: "http" as const }),
  };
}
