import type { OwnedServer } from "../backend/state.ts";
import type { Currency, Order } from "../clore/types.ts";
import { type Entry, mayBill } from "../ledger/ledger.ts";
import type { RentalRecord } from "../rental/record.ts";
import { release } from "../rental/release.ts";
import type { Account } from "./account.ts";

/**
 * Cancels a listed order and reads until it is gone; the ledger of this machine says so. The ledger's own entry is
 * closed where there is one.
 * @throws CloreError `rental.cancel-unconfirmed`
 */
export async function giveBack(
  order: Order,
  pricePerDayUsd: number | undefined,
  why: { reason: string; by: string; entry?: Entry; server?: OwnedServer },
  account: Account,
): Promise<void> {
  const rental = {
    account: account.account,
    serverId: order.serverId,
    image: order.image ?? "",
    market: order.market,
    currency: order.currency as Currency,
    pricePerDay: order.pricePerDay,
    pricePerDayUsd: pricePerDayUsd ?? 0,
  };
  const { entry, server } = why;
  const open = account.ledger.entries().filter(mayBill);
  const known = open.find((one) => one.intentId === (entry?.intentId ?? server?.intentId));
  const intentId =
    known?.intentId ??
    account.ledger.intend({ ...rental, urn: server?.urn ?? entry?.urn ?? why.by, keyFingerprint: "" });
  const { orderId } = order;
  account.ledger.conclude(intentId, { outcome: "order", orderId, certain: true });
  const record: RentalRecord = {
    ...rental,
    intentId,
    orderId,
    certain: true,
    createdAt: order.createdAt.toISOString(),
    chosenBecause: "",
  };
  await release(record, why.reason, account);
}
