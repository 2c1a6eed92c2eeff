import type { HostFacts } from "../host/types.ts";
import type { LiveServer } from "../rental/bring-up.ts";
import type { RentalRecord } from "../rental/record.ts";
import { type ConnectionInputs, connectionOf } from "./connection.ts";
import { stable } from "./rpc/values.ts";
import type { ServerInputs } from "./server-inputs.ts";
import type { OfferedServer } from "./server-offered.ts";
import { leaseHours } from "./server-request.ts";

/** A Server's outputs as they are kept in the state. */
export type ServerState = {
  kind: "rented" | "existing";
  address?: string;
  port?: number;
  user?: string;
  hostKey?: string;
  httpUrl?: string;
  tcpPorts: Record<string, number>;
  facts?: HostFacts;
  pricePerDay: number;
  currency?: string;
  pricePerDayUsd: number;
  chosenBecause: string;
  leaseEndsAt?: string;
  orderId?: number;
  serverId?: number;
  connection?: ConnectionInputs;
  /** What is needed to find the order and give it back. */
  rental?: RentalRecord;
  offered?: OfferedServer;
  /** What the server has proven, as text. */
  trialPassed?: string;
  /** False when the last look could not get in. */
  reachable: boolean;
};

/** The state of an order that is not (yet) a working server. */
export function unfinishedState(record: RentalRecord, offered: OfferedServer | undefined): ServerState {
  return {
    kind: "rented",
    serverId: record.serverId,
    orderId: record.orderId,
    tcpPorts: {},
    pricePerDay: record.pricePerDay,
    currency: record.currency,
    pricePerDayUsd: record.pricePerDayUsd,
    chosenBecause: record.chosenBecause,
    rental: record,
    offered,
    reachable: false,
  };
}

/** A server that stands as it did before an update that failed; what only the record tells is brought up to date. */
export function standingState(known: ServerState, rental: RentalRecord): ServerState {
  const { address, port, user, hostKey, httpUrl, facts, leaseEndsAt, connection, trialPassed } = known;
  return {
    ...unfinishedState(rental, known.offered),
    ...{ address, port, user, hostKey, httpUrl, facts, leaseEndsAt, connection, trialPassed },
    tcpPorts: known.tcpPorts,
    reachable: known.reachable,
  };
}

export function rentedState(
  live: LiveServer,
  inputs: ServerInputs,
  offered: OfferedServer | undefined,
): ServerState {
  const { record, order, target, facts } = live;
  const hours = leaseHours(inputs.lease);
  const { address, port, user, hostKey } = target;
  return {
    ...unfinishedState(record, offered),
    orderId: order.orderId,
    address,
    port,
    user,
    hostKey,
    httpUrl: order.httpUrl,
    tcpPorts: Object.fromEntries(Object.entries(order.tcpPorts)),
    facts,
    leaseEndsAt:
      hours === undefined ? undefined : new Date(order.createdAt.getTime() + hours * 3_600_000).toISOString(),
    connection: connectionOf(live),
    trialPassed: inputs.trial && stable(inputs.trial),
    reachable: true,
  };
}

export function existingState(target: ConnectionInputs, facts: HostFacts): ServerState {
  const { address, port, user, hostKey } = target;
  return {
    kind: "existing",
    address,
    port,
    user,
    hostKey,
    tcpPorts: {},
    facts,
    pricePerDay: 0,
    pricePerDayUsd: 0,
    chosenBecause: "an existing host",
    connection: target,
    reachable: true,
  };
}

/** Free space and the like change all the time: they are no difference worth showing. */
export function steadyFacts(known: HostFacts | undefined, seen: HostFacts): HostFacts {
  const steady = (facts: HostFacts) => stable({ ...facts, disk: { totalGb: facts.disk.totalGb }, ramGb: 0 });
  return known && steady(known) === steady(seen) ? known : seen;
}

/** The public half of a key follows from the private one. */
export function sameKey(
  path: keyof ServerInputs,
  a: Partial<ServerInputs>,
  b: Partial<ServerInputs>,
): boolean {
  return path === "sshKey" && a.sshKey?.privateKey === b.sshKey?.privateKey;
}
