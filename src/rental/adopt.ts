import type { SharedOrders } from "../clore/shared-orders.ts";
import type { Currency, Order } from "../clore/types.ts";
import { systemClock } from "../core/clock.ts";
import { CloreError } from "../core/errors.ts";
import { type Entry, mayBill } from "../ledger/ledger.ts";
import type { Claims } from "./claims.ts";
import { presence } from "./orders.ts";
import { type Proof, proveByKey } from "./proof.ts";
import { usdPerDayOf } from "./rates.ts";
import { atPrice, type RentalRecord } from "./record.ts";
import type { ReleaseIo } from "./release.ts";
import { findFor, whoseBy } from "./whose.ts";

export interface AdoptIo extends ReleaseIo {
  orders: SharedOrders;
  claims: Claims;
}

export interface AdoptWant {
  /** The Pulumi resource, and its id within this run. */
  urn: string;
  resourceId: string;
  keyFingerprint: string;
  privateKey: string;
  image: string;
}

/** An order that was just made can take 20 s to appear; in polls, so that it keeps pace with a fast emulator. */
const appearPolls = 60;

/**
 * What an interrupted run has left for a resource that is about to be made, newest first: orders of this machine's
 * ledger with the same URN and key, otherwise one that our key opens and nobody else claims. Ended ones are concluded.
 * @throws CloreError `rental.unknown` when it cannot be told: then nothing may be rented
 */
export async function leftBehind(want: AdoptWant, io: AdoptIo): Promise<RentalRecord[]> {
  const open = io.ledger.entries().filter((entry) => mayBill(entry));
  const mine = open.filter(
    (entry) =>
      entry.account === io.account &&
      entry.urn === want.urn &&
      entry.keyFingerprint === want.keyFingerprint &&
      !entry.kept &&
      !io.claims.isRecorded(entry),
  );
  const records: RentalRecord[] = [];
  for (const entry of mine.toReversed()) {
    const record = await recordOf(entry, io);
    if (record?.orderId === undefined || !io.claims.adopt(record.orderId, want.resourceId)) continue;
    io.log.info(
      `order ${record.orderId} on #${record.serverId} was left by an interrupted run: going on with it`,
    );
    records.push({ ...record, pricePerDayUsd: record.pricePerDayUsd || (await usdPerDayOf(record, io)) });
  }
  if (records.length > 0) return records;
  const proven = await provenByKey(want, io);
  return proven ? [proven] : [];
}

/**
 * The order behind a ledger entry that may bill; undefined, and concluded, when there is none.
 * @throws CloreError `rental.unknown`
 */
export async function recordOf(
  entry: Entry,
  io: Omit<AdoptIo, "orders" | "claims"> & { claims?: Claims },
): Promise<RentalRecord | undefined> {
  const order = entry.orderId === undefined ? await orderBehind(entry, io) : await known(entry, io);
  if (!order) return undefined;
  return recordFor(entry, order);
}

function recordFor(entry: Entry, order: Order): RentalRecord {
  return {
    ...atPrice(entryRecord({ ...entry, orderId: order.orderId }), order.pricePerDay),
    createdAt: order.createdAt.toISOString(),
  };
}

/** An entry as it can be given back, before anything was looked up. */
export function entryRecord(entry: Entry): RentalRecord {
  return {
    intentId: entry.intentId,
    account: entry.account,
    serverId: entry.serverId,
    orderId: entry.orderId,
    certain: entry.orderId === undefined ? entry.accepted : entry.certain,
    image: entry.image,
    settings: entry.settings,
    market: entry.market === "spot" ? "spot" : "on-demand",
    currency: entry.currency as Currency,
    pricePerDay: entry.pricePerDay,
    pricePerDayUsd: entry.pricePerDayUsd ?? (entry.currency === "USD-Blockchain" ? entry.pricePerDay : 0),
    createdAt: undefined,
    chosenBecause: "left by an interrupted run",
  };
}

async function known(
  entry: Entry,
  io: Pick<AdoptIo, "clore" | "signal" | "ledger">,
): Promise<Order | undefined> {
  const seen = await presence(io.clore, entry.orderId ?? 0, io.signal);
  if (seen.is === "live") return seen.order;
  if (seen.is === "ended") {
    io.ledger.conclude(entry.intentId, { outcome: "ended" });
    return undefined;
  }
  throw new CloreError("rental.unknown", {
    message: `whether order ${entry.orderId} on server ${entry.serverId}, left by an interrupted run, still stands cannot be told`,
    seen: seen.seen,
    hint: "run the same command again later, or look at clore.ai; nothing is rented meanwhile",
    retry: "look-first",
  });
}

/** The order that a create has made whose answer nobody wrote down. */
async function orderBehind(
  entry: Entry,
  io: Omit<AdoptIo, "orders" | "claims"> & { claims?: Claims },
): Promise<Order | undefined> {
  const pollMs = io.pollMs ?? 1000;
  const ageMs = (io.clock ?? systemClock).now() - entry.at.getTime();
  io.log.status(`looking for an order that an interrupted run may have left on #${entry.serverId}`);
  const order = await findFor(entryRecord(entry), {
    ...io,
    limitMs: Math.min(appearPolls * pollMs, Math.max(0, appearPolls * pollMs - ageMs)),
  });
  if (!order) {
    io.ledger.conclude(entry.intentId, { outcome: "absent" });
    return undefined;
  }
  io.ledger.conclude(entry.intentId, { outcome: "order", orderId: order.orderId });
  return order;
}

/** An order that no ledger of this machine explains, and that our key opens: a run on another machine has left it. */
async function provenByKey(want: AdoptWant, io: AdoptIo): Promise<RentalRecord | undefined> {
  const clock = io.clock ?? systemClock;
  const { orders } = await io.orders.read({
    notBefore: clock.now() - (io.pollMs ?? 1000) / 2,
    signal: io.signal,
    whole: true,
  });
  // Read after the listing: an intent is written before its create, so other servers of the program that were rented
  // meanwhile are explained, and never taken over from under them.
  const open = io.ledger.entries().filter((entry) => mayBill(entry));
  const candidates = unexplained(orders, open, io.account).filter(
    (order) => (order.image ?? want.image) === want.image && !io.claims.isRecorded(order),
  );
  if (candidates.length === 0) return undefined;
  io.log.status(`trying our key on ${candidates.length} orders that nobody here knows`);
  const proofs = await Promise.all(
    candidates.map(async (order) => ({ order, proof: await proofOf(order, want, io) })),
  );
  for (const { order, proof } of proofs) {
    if (whoseBy(proof, (owner) => owner === want.urn) !== "ours") continue;
    if (!io.claims.adopt(order.orderId, want.resourceId)) continue;
    io.log.info(
      `order ${order.orderId} on #${order.serverId} opens with our key and nobody claims it: going on with it`,
    );
    const left = open.find(
      (entry) => entry.keyFingerprint === want.keyFingerprint && standsFor(entry, order),
    );
    return left ? renamed(left, order, io) : entered(order, want, io);
  }
  return undefined;
}

/**
 * Orders that no open entry of the ledger stands for. An entry of another account stands for none of this one's, or the
 * account has another name by now: then the order is as good as nobody's, unless a state names it.
 */
export function unexplained(orders: readonly Order[], open: readonly Entry[], account: string): Order[] {
  const known = open.filter((one) => one.account === account || one.kept);
  return orders.filter((order) => !order.expired && !known.some((one) => standsFor(one, order)));
}

function standsFor(entry: Entry, order: Order): boolean {
  return entry.orderId === undefined ? entry.serverId === order.serverId : entry.orderId === order.orderId;
}

function proofOf(
  order: Order,
  want: Pick<AdoptWant, "keyFingerprint" | "privateKey">,
  io: AdoptIo,
): Promise<Proof> {
  return io.claims.proof(order.orderId, want.keyFingerprint, () => proveByKey(order, want.privateKey, io));
}

/** What was left under another name of the account. */
function renamed(entry: Entry, order: Order, { ledger, account }: AdoptIo): RentalRecord {
  const { orderId } = order;
  ledger.conclude(entry.intentId, { outcome: "order", orderId, certain: true });
  return { ...recordFor({ ...entry, orderId, certain: true }, order), account };
}

/** Writes the found order into this machine's ledger, so that the next run knows it at once. */
async function entered(order: Order, want: AdoptWant, io: AdoptIo): Promise<RentalRecord> {
  const pricePerDayUsd = await usdPerDayOf(order, io);
  const rental = {
    account: io.account,
    serverId: order.serverId,
    image: want.image,
    market: order.market,
    currency: order.currency as Currency,
    pricePerDay: order.pricePerDay,
    pricePerDayUsd,
  };
  const { urn, keyFingerprint } = want;
  const intentId = io.ledger.intend({ ...rental, urn, keyFingerprint });
  io.ledger.conclude(intentId, { outcome: "order", orderId: order.orderId, certain: true });
  return {
    ...rental,
    intentId,
    orderId: order.orderId,
    certain: true,
    createdAt: order.createdAt.toISOString(),
    chosenBecause: "left by an interrupted run on another machine",
  };
}
