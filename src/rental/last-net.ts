import type { Order } from "../clore/types.ts";
import { CloreError } from "../core/errors.ts";
import { formatUsd } from "../cost/price.ts";
import { type Entry, mayBill } from "../ledger/ledger.ts";
import { type AdoptIo, entryRecord, recordOf, unexplained } from "./adopt.ts";
import { proveByKey } from "./proof.ts";
import type { RentalRecord } from "./record.ts";
import { release } from "./release.ts";
import { whose, whoseBy } from "./whose.ts";

/** A key that is about to be forgotten, and with it the proof of what it was rented with. */
export interface LastKey {
  fingerprint: string;
  privateKey: string;
  /** URN of the SshKey: only orders of the same stack and project are its business. */
  urn: string;
}

/**
 * Gives back everything that was rented with the key and is in nobody's state any more: the engine never asks for an
 * order whose create was killed. Looks in the ledger, and tries the key on live orders that no ledger entry explains.
 * @throws CloreError `rental.left-over` that names each order that could not be given back, and its price
 */
export async function giveBackLeftOvers(key: LastKey, io: AdoptIo): Promise<void> {
  const open = io.ledger.entries().filter(mayBill);
  const failures: string[] = [];
  const attempt = async (what: string, give: () => Promise<void>) => {
    try {
      await give();
    } catch (error) {
      io.signal.throwIfAborted();
      if (!(error instanceof CloreError)) throw error;
      failures.push(`${what}: ${error.code}: ${error.message}`);
    }
  };
  for (const entry of entriesOfKey(key, open)) {
    await attempt(nameOf(entry), () => giveBackEntry(entry, key, io));
  }
  for (const order of await strangers(key, io)) {
    await attempt(`order ${order.orderId} on server ${order.serverId}`, () =>
      giveBackStranger(order, key, io),
    );
  }
  if (failures.length > 0) throw leftOver(failures);
}

/** What the ledger knows of a key and may still bill: enough to say, without an API key, that something is left. */
export function entriesOfKey(key: Pick<LastKey, "fingerprint" | "urn">, open: readonly Entry[]): Entry[] {
  return open.filter(
    (entry) =>
      mayBill(entry) && entry.keyFingerprint === key.fingerprint && stackOf(entry.urn) === stackOf(key.urn),
  );
}

/** "order 7 on server 5 (1.50 USD per day)". */
export function nameOf(entry: Entry): string {
  const price =
    entry.pricePerDayUsd === undefined
      ? `${entry.pricePerDay} ${entry.currency}`
      : formatUsd(entry.pricePerDayUsd);
  const what = entry.orderId === undefined ? "a possible order" : `order ${entry.orderId}`;
  return `${what} on server ${entry.serverId} (${price} per day)`;
}

async function giveBackEntry(entry: Entry, key: LastKey, io: AdoptIo): Promise<void> {
  const isOwn = (owner: string) => stackOf(owner) === stackOf(key.urn);
  const asking: AdoptIo = { ...io, whose: (order) => whose(order, key.privateKey, isOwn, io) };
  // Of another account, or of this one under another name: release finds out.
  if (entry.account !== io.account) return release(entryRecord(entry), "its key is deleted", asking);
  const record = await recordOf(entry, io);
  if (!record) return;
  io.log.warn(
    `order ${record.orderId} on server ${record.serverId} was left by an interrupted run: giving it back`,
  );
  await release(record, "left by an interrupted run", asking);
}

/** Live orders that no entry explains, and that the key opens. */
async function strangers(key: LastKey, io: AdoptIo): Promise<Order[]> {
  let orders = await io.clore.myOrders({}, io.signal);
  // An empty listing proves nothing; the longer one shows live orders too.
  if (orders.length === 0) orders = await io.clore.myOrders({ includeCompleted: true }, io.signal);
  // Read after the listing: an intent is written before its create, so what others of this machine have rented
  // meanwhile, another stack with the same key among them, is explained.
  const candidates = unexplained(orders, io.ledger.entries().filter(mayBill), io.account);
  if (candidates.length > 0)
    io.log.status(`trying the key on ${candidates.length} orders that nobody here knows`);
  const tried = await Promise.all(
    candidates.map(async (order) => ({ order, proof: await proveByKey(order, key.privateKey, io) })),
  );
  return tried.flatMap(({ order, proof }) => {
    if (proof.is === "unknown") {
      io.log.warn(
        `order ${order.orderId} on server ${order.serverId} (${order.pricePerDay} ${order.currency} per day) did not answer over SSH: whether this key rented it cannot be told; \`clore sweep\` shows orders that nobody owns`,
      );
    }
    return whoseBy(proof, (owner) => stackOf(owner) === stackOf(key.urn)) === "ours" ? [order] : [];
  });
}

async function giveBackStranger(order: Order, key: LastKey, io: AdoptIo): Promise<void> {
  const rental = {
    account: io.account,
    serverId: order.serverId,
    image: order.image ?? "",
    market: order.market,
    currency: order.currency as RentalRecord["currency"],
    pricePerDay: order.pricePerDay,
  };
  const intentId = io.ledger.intend({ ...rental, urn: key.urn, keyFingerprint: key.fingerprint });
  const { orderId } = order;
  io.ledger.conclude(intentId, { outcome: "order", orderId, certain: true });
  const record: RentalRecord = {
    ...rental,
    intentId,
    orderId,
    certain: true,
    pricePerDayUsd: order.currency === "USD-Blockchain" ? order.pricePerDay : 0,
    createdAt: order.createdAt.toISOString(),
    chosenBecause: "left by an interrupted run on another machine",
  };
  io.log.warn(
    `order ${orderId} on server ${order.serverId} opens with this key and is in no state: giving it back`,
  );
  await release(record, "left by an interrupted run", io);
}

/** Stack and project of a URN. */
function stackOf(urn: string): string {
  return urn.split("::").slice(0, 2).join("::");
}

function leftOver(failures: readonly string[]): CloreError {
  return new CloreError("rental.left-over", {
    message: `${failures.length === 1 ? "an order" : `${failures.length} orders`} rented with this key may still bill, and could not be given back: ${failures.join("; ")}`,
    hint: "run `pulumi destroy` again, or cancel on clore.ai; the key is kept until then, it is the proof of whose they are",
    retry: "look-first",
  });
}
