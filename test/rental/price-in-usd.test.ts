import { expect, test } from "vitest";
import { SharedOrders } from "../../src/clore/shared-orders.ts";
import type { Order } from "../../src/clore/types.ts";
import { silentLog } from "../../src/core/log.ts";
import { usdPerCoin } from "../../src/emulator/market/rows.ts";
import type { Entry } from "../../src/ledger/ledger.ts";
import { server } from "../../src/provider/server.ts";
import { recordOf } from "../../src/rental/adopt.ts";
import { bringUp } from "../../src/rental/bring-up.ts";
import type { RentalRecord } from "../../src/rental/record.ts";
import { SshPool } from "../../src/ssh/pool.ts";
import { callOf, ground, key, urnOf } from "./plugin.ts";

/** A live order for 2 CLORE per day. */
const order = {
  orderId: 1,
  serverId: 5,
  currency: "CLORE-Blockchain",
  pricePerDay: 2,
  createdAt: new Date(),
  expired: false,
  online: true,
  containerUp: true,
  addresses: ["127.0.0.1"],
  tcpPorts: { 22: 1 },
} as unknown as Order;
const clore = { myOrders: async () => [order] };
const signal = new AbortController().signal;

test("an imported order is known in USD, whatever it is paid in", async () => {
  await using on = await ground();
  const plugin = on.plugin();
  await plugin.clore.createOrder({
    serverId: 101,
    market: "on-demand",
    currency: "bitcoin",
    image: "cloreai/jupyter:ubuntu24.04-v2",
    ports: { 22: "tcp" },
    sshPublicKey: key.publicKey,
  });
  while ((await plugin.clore.myOrders()).length === 0);
  const [orderId] = on.live();
  const imported = await server.read(
    String(orderId),
    undefined,
    undefined,
    callOf(plugin, urnOf("Server", "gpu")),
  );
  const { pricePerDay = 0, pricePerDayUsd } = imported?.state.rental ?? {};
  expect(pricePerDay).toBeGreaterThan(0);
  // The rate is the market's, whose figures are rounded.
  expect(pricePerDayUsd).toBeCloseTo(pricePerDay * usdPerCoin.bitcoin, 1);
});

test("an order that an interrupted run has left is known at what it costs by now", async () => {
  const entry = {
    orderId: 1,
    serverId: 5,
    currency: "CLORE-Blockchain",
    pricePerDay: 1,
    pricePerDayUsd: 3,
    outcome: "order",
  } as Entry;
  const io = { clore, signal } as unknown as Parameters<typeof recordOf>[1];
  expect(await recordOf(entry, io)).toMatchObject({ pricePerDay: 2, pricePerDayUsd: 6 });
});

test.each([
  { name: "costs more than the cap", pricePerDayUsd: 1.5, code: "rental.dearer" },
  { name: "has no known price in USD", pricePerDayUsd: 0, code: "rental.cap-unknown" },
])("an order that $name is not brought up under a cap", async ({ pricePerDayUsd, code }) => {
  const record = { ...order, pricePerDay: 1, pricePerDayUsd } as unknown as RentalRecord;
  const want = { urn: "u", privateKey: "", promised: {}, maxPricePerDayUsd: 2, bootMinutes: 1 };
  const io = { orders: new SharedOrders(clore), ssh: new SshPool(), log: silentLog, signal };
  await expect(bringUp(record, want, io)).rejects.toMatchObject({ code });
});
