import type { SharedOrders } from "../clore/shared-orders.ts";
import type { Order } from "../clore/types.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { CloreError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { type Look, until } from "../core/until.ts";
import { readFacts } from "../host/facts.ts";
import type { HostFacts } from "../host/types.ts";
import { type Promised, verifyHost } from "../host/verify.ts";
import type { SshPool } from "../ssh/pool.ts";
import type { SshTarget } from "../ssh/types.ts";
import { readOwner, writeOwner } from "./owner.ts";
import { atPrice, type RentalRecord } from "./record.ts";
import { unproven } from "./release.ts";

/** What the server must turn out to be. */
export interface Wanted {
  /** The Pulumi resource: left on the host, so that no other takes the server for its own. */
  urn: string;
  privateKey: string;
  promised: Promised;
  /** The most that the order itself may cost, in USD per day. */
  maxPricePerDayUsd: number | undefined;
  /** The most to wait until SSH answers, in minutes from the order. */
  bootMinutes: number;
  /** Pinned earlier; undefined at first contact. */
  hostKey?: string;
  /**
   * Why an order that fails is not given back but kept, as a hint for people: nobody asked for another server.
   * `undefined`: it is given back, and the next host is tried.
   */
  kept?: string;
  /** What the server must prove once it was reached. Throws `host.too-weak` where another may do better. */
  trial?: (live: LiveServer) => Promise<void>;
}

export interface BringUpIo {
  orders: SharedOrders;
  ssh: SshPool;
  log: Log;
  signal: AbortSignal;
  clock?: Clock;
  /** Pause between looks, in milliseconds. @default 1000 */
  pollMs?: number;
}

/** A rented server that was reached and checked. */
export interface LiveServer {
  record: RentalRecord;
  order: Order;
  target: SshTarget & { hostKey: string };
  facts: HostFacts;
}

/**
 * From an order to a machine that was reached over SSH and is what was promised.
 * @throws CloreError `rental.boot-timeout`, `rental.vanished`, `rental.dearer`, `ssh.*`, `host.*`: the host's faults
 */
export async function bringUp(record: RentalRecord, want: Wanted, io: BringUpIo): Promise<LiveServer> {
  const clock = io.clock ?? systemClock;
  const deadline = clock.now() + want.bootMinutes * 60_000;
  const order = await waitForContainer(record, deadline, io);
  refuseDearer(order, record, want);
  const seen: RentalRecord = { ...atPrice(record, order.pricePerDay), orderId: order.orderId };
  const target = targetOf(order, want);
  io.log.status(`waiting for SSH on ${target.address}:${target.port}`);
  await using ssh = await io.ssh.acquire(target, {
    deadlineMs: Math.max(15_000, deadline - clock.now()),
    signal: io.signal,
    clock,
    onAttempt: (error, attempt, waitedMs) =>
      io.log.status(`waiting for SSH: ${error.code}, attempt ${attempt} (${Math.round(waitedMs / 1000)} s)`),
  });
  if (!record.certain) refuseTheirs(record, await readOwner(ssh, io.signal), want.urn);
  // Our key opened it: from here on the order is ours without a doubt, and can be given back should it be wrong.
  record.certain = true;
  io.log.status("checking the machine");
  const facts = await readFacts(ssh, { signal: io.signal });
  const [problem] = verifyHost(want.promised, facts);
  if (problem) throw problem;
  await writeOwner(ssh, want.urn, io.signal);
  return { record: { ...seen, certain: true }, order, target: { ...target, hostKey: ssh.hostKey }, facts };
}

/** Where SSH of an order answers. */
export function targetOf(order: Order, want: Pick<Wanted, "privateKey" | "hostKey">): SshTarget {
  const address = order.addresses[0];
  const port = order.tcpPorts[22];
  if (address === undefined || port === undefined) {
    throw new CloreError("rental.boot-timeout", { message: `order ${order.orderId} has no public SSH port` });
  }
  return { address, port, user: "root", privateKey: want.privateKey, hostKey: want.hostKey };
}

async function waitForContainer(record: RentalRecord, deadline: number, io: BringUpIo): Promise<Order> {
  const clock = io.clock ?? systemClock;
  let missing = 0;
  const look = async (): Promise<Look<Order>> => {
    const { orders } = await io.orders.read({
      notBefore: clock.now() - (io.pollMs ?? 1000) / 2,
      signal: io.signal,
    });
    const order = orders.find((candidate) => candidate.orderId === record.orderId);
    if (!order || order.expired) {
      // One listing without it proves little, an empty one nothing.
      if (orders.length > 0 || order?.expired) missing++;
      if (missing >= 3) {
        throw new CloreError("rental.vanished", {
          message: `order ${record.orderId} has gone before it was ready`,
        });
      }
      return { done: false, seen: "the order is not listed" };
    }
    missing = 0;
    if (order.containerUp && order.addresses.length > 0 && order.tcpPorts[22] !== undefined) {
      return { done: true, value: order };
    }
    return { done: false, seen: order.online ? "the container is not up" : "the host is offline" };
  };
  return until(look, {
    what: `the container of order ${record.orderId}`,
    deadlineMs: deadline - clock.now(),
    everyMs: io.pollMs ?? 1000,
    signal: io.signal,
    clock,
    onLook: (seen, waitedMs) =>
      io.log.status(`order ${record.orderId}: ${seen} (${Math.round(waitedMs / 1000)} s)`),
    code: "rental.boot-timeout",
  });
}

/** An order that was found by its server may be another resource's with the same key. */
function refuseTheirs(record: RentalRecord, owner: string | undefined, urn: string): void {
  if (owner === undefined || owner === urn) return;
  if (owner === "unreadable") throw unproven(record);
  const { orderId, serverId } = record;
  throw new CloreError("rental.not-ours", {
    message: `order ${orderId} on server ${serverId} belongs to ${owner}`,
  });
}

/** A host can change its price between listing and order. */
function refuseDearer(order: Order, record: RentalRecord, want: Wanted): void {
  if (want.maxPricePerDayUsd === undefined) return;
  const usd = atPrice(record, order.pricePerDay).pricePerDayUsd;
  if (usd === 0 && order.pricePerDay > 0) {
    throw new CloreError("rental.cap-unknown", {
      message: `order ${order.orderId} costs ${order.pricePerDay} ${order.currency} per day, and no server states what that is in USD: maxPricePerDay cannot be kept`,
      hint: "run the same command again later, or take maxPricePerDay out",
      retry: "later",
    });
  }
  if (usd > want.maxPricePerDayUsd * 1.001) {
    throw new CloreError("rental.dearer", {
      message: `the order costs ${usd.toFixed(2)} USD per day, the listing said ${record.pricePerDayUsd.toFixed(2)} and the cap is ${want.maxPricePerDayUsd}`,
    });
  }
}
