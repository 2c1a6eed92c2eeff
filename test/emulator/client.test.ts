import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CloreClient } from "../../src/clore/client.ts";
import type { RateGate } from "../../src/clore/gate.ts";
import { Secret } from "../../src/core/secret.ts";
import { type Emulator, startEmulator } from "../../src/emulator/server.ts";

// Two readings of one page meet here: what the product's client asks and what the emulator answers must fit.
const openGate: RateGate = {
  pass: async () => {},
  penalise: async () => {},
  requestEveryMs: 1,
  close: () => {},
};
let emulator: Emulator;
let clore: CloreClient;

beforeAll(async () => {
  emulator = await startEmulator({ machines: "none", speed: 5000 }); // so fast that no limit is met
  clore = new CloreClient({ apiUrl: emulator.apiUrl, apiKey: new Secret(emulator.apiKey), gate: openGate });
});
afterAll(() => emulator.close());

const common = { currency: "USD-Blockchain", image: "cloreai/jupyter:ubuntu24.04-v2" } as const;

test("the market is read whole but for the five rubbish rows", async () => {
  const { servers, skipped } = await clore.marketplace();
  expect(servers.length).toBeGreaterThan(2090);
  expect(skipped.map((one) => one.serverId)).toEqual([19001, 19002, 19003, 19004, undefined]);
  expect(servers.find((one) => one.serverId === 112576)).toMatchObject({
    gpuModel: "RTX 3090",
    rented: false,
    country: "JP",
  });
});

test("wallets, fees and a spot market are read", async () => {
  expect((await clore.wallets()).map((one) => one.currency)).toEqual([
    "bitcoin",
    "CLORE-Blockchain",
    "USD-Blockchain",
  ]);
  expect(await clore.renterFees()).toMatchObject({
    onDemandShare: { "USD-Blockchain": 0.05 },
    creationFee: { onDemand: { "USD-Blockchain": 0.1 } },
  });
  expect(await clore.spotMarket(99920)).toMatchObject({
    exists: true,
    offers: [{ bidPerDay: 8.8, active: true, mine: false }],
  });
  expect(await clore.spotMarket(1)).toMatchObject({ exists: false });
});

test("an order is made, found and cancelled", async () => {
  await clore.createOrder({
    ...common,
    serverId: 112576,
    market: "on-demand",
    ports: { 22: "tcp", 8080: "http" },
  });
  await delay(20);
  const [order] = await clore.myOrders();
  expect(order).toMatchObject({
    serverId: 112576,
    pricePerDay: 4,
    containerUp: true,
    httpPort: 8080,
    addresses: ["127.0.0.1"],
  });
  await clore.cancelOrder(order!.orderId);
  expect(await clore.myOrders()).toEqual([]);
  await expect(clore.cancelOrder(order!.orderId)).rejects.toMatchObject({ code: "clore.order-not-active" });
});

test("a bid is placed over the others' and lowered within its step", async () => {
  const spot = { ...common, serverId: 99920, market: "spot" } as const;
  await expect(clore.createOrder({ ...spot, bidPerDay: 8 })).rejects.toMatchObject({
    code: "clore.too-low-price",
  });
  await clore.createOrder({ ...spot, bidPerDay: 9 });
  await delay(20);
  const [order] = await clore.myOrders();
  expect(order).toMatchObject({ market: "spot", pricePerDay: 9 });
  await clore.setSpotPrice(order!.orderId, 8.5);
  expect((await clore.myOrders())[0]).toMatchObject({ pricePerDay: 8.5 });
});
