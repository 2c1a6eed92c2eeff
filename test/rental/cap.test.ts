import { describe, expect, test } from "vitest";
import type { Order } from "../../src/clore/types.ts";
import type { Entry } from "../../src/ledger/ledger.ts";
import { InitFailure } from "../../src/provider/rpc/failures.ts";
import { server } from "../../src/provider/server.ts";
import type { ServerState } from "../../src/provider/server-state.ts";
import { activePricePerDayUsd, refuseOverCap } from "../../src/rental/budget.ts";
import { generateKeyPair } from "../../src/ssh/keypair.ts";
import { callOf, ground, lostRun, urnOf, wanted } from "./plugin.ts";

const urn = urnOf("Server", "gpu");
const cap = { maxActivePricePerDay: "5" };

describe("the spending cap of a key", () => {
  test("counts other stacks' orders, at preview and at up, and nothing is rented", async () => {
    await using on = await ground();
    const theirs = await lostRun(on.plugin("elsewhere"), { of: generateKeyPair() });
    const plugin = on.plugin("laptop", cap);
    const refused = {
      code: "rental.over-cap",
      message: expect.stringContaining(
        "a server for 3.50 USD per day would be more than clore:maxActivePricePerDay allows (5.00 USD)",
      ),
      seen: expect.stringContaining("3.50 USD per day, in all stacks"),
    };
    await expect(server.preview?.(wanted(), callOf(plugin, urn))).rejects.toMatchObject(refused);
    await expect(server.create(wanted(), callOf(plugin, urn))).rejects.toMatchObject(refused);
    expect(on.live()).toEqual([theirs]);
  });

  test("counts what else the same preview would rent", async () => {
    await using on = await ground();
    const plugin = on.plugin("laptop", cap);
    const preview = (name: string) => server.preview?.(wanted(), callOf(plugin, urnOf("Server", name)));
    await preview("a");
    await preview("a");
    await expect(preview("b")).rejects.toMatchObject({ code: "rental.over-cap" });
  });

  test("holds when servers are rented side by side", async () => {
    await using on = await ground();
    const plugin = on.plugin("laptop", cap);
    const made = await Promise.allSettled(
      ["a", "b", "c"].map((name) => server.create(wanted(), callOf(plugin, urnOf("Server", name)))),
    );
    expect(made.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const one of made)
      if (one.status === "rejected") expect(one.reason).toMatchObject({ code: "rental.over-cap" });
    expect(on.clore.ledger().orders).toHaveLength(1);
  });
});

describe("what is active", () => {
  const order = (orderId: number, change: Partial<Order> = {}) =>
    ({
      orderId,
      serverId: orderId,
      currency: "USD-Blockchain",
      pricePerDay: 2,
      expired: false,
      ...change,
    }) as Order;
  const entry = (change: Partial<Entry>) =>
    ({
      account: "a",
      serverId: 9,
      currency: "USD-Blockchain",
      pricePerDay: 1,
      pricePerDayUsd: 1,
      changedAt: new Date(1000),
      ...change,
    }) as Entry;
  const usdPerUnit = (currency: string) => ({ "USD-Blockchain": 1, bitcoin: 60_000 })[currency];
  const sum = (orders: Order[], entries: Entry[], listedAtMs = 2000) =>
    activePricePerDayUsd({ orders, listedAtMs, entries, account: "a", usdPerUnit });

  test.each([
    {
      name: "live orders, in USD",
      orders: [order(1), order(2, { currency: "bitcoin", pricePerDay: 0.0001 })],
      usd: 8,
    },
    { name: "not what has expired", orders: [order(1), order(2, { expired: true })], usd: 2 },
    { name: "what is being rented", orders: [order(1)], entries: [entry({})], usd: 3 },
    { name: "what is listed already, once", orders: [order(9)], entries: [entry({})], usd: 2 },
    {
      name: "what was seen and is listed, once",
      orders: [order(1)],
      entries: [entry({ outcome: "order", orderId: 1 })],
      usd: 2,
    },
    {
      name: "not what is listed no more",
      orders: [order(1)],
      entries: [entry({ outcome: "order", orderId: 7 })],
      usd: 2,
    },
    {
      name: "what was seen after the listing was asked for",
      orders: [order(1)],
      entries: [entry({ outcome: "order", orderId: 7, changedAt: new Date(3000) })],
      usd: 3,
    },
    {
      name: "what was seen, when the listing is empty: it proves nothing",
      orders: [],
      entries: [entry({ outcome: "order", orderId: 7 })],
      usd: 1,
    },
    { name: "not what was given back", orders: [], entries: [entry({ outcome: "cancelled" })], usd: 0 },
    { name: "not another account's", orders: [], entries: [entry({ account: "b" })], usd: 0 },
  ])("is $name", ({ orders, entries = [], usd }) => {
    expect(sum(orders, entries)).toBeCloseTo(usd);
  });

  test("cannot be told without a rate", () => {
    expect(() => sum([order(1, { currency: "CLORE-Blockchain" })], [])).toThrow(
      expect.objectContaining({ code: "rental.cap-unknown" }),
    );
  });

  test("may reach the cap and not pass it", () => {
    refuseOverCap(10, 6.5, 3.5);
    expect(() => refuseOverCap(10, 6.51, 3.5)).toThrow("would be more than");
  });
});

test("bad hosts may cost so much and no more", async () => {
  await using on = await ground();
  await on.clore.faults.order("wrong-gpu", { times: 9 });
  const want = { ...wanted(), gpu: "RTX 3090", maxAcquireCostUsd: 0.001 };
  await expect(server.create(want, callOf(on.plugin(), urn))).rejects.toMatchObject({
    code: "rental.no-host",
    message: expect.stringMatching(
      /^no host became a working server: 1 tried in \d+ s for about 0\.0026 USD/,
    ),
    hint: expect.stringContaining("maxAcquireCostUsd"),
  });
  expect(on.live()).toEqual([]);
});

test("when the orders cannot be read after an unclear create, no second one is sent, and the next update goes on", async () => {
  await using on = await ground();
  await on.clore.faults.order("create-500-after-success");
  await on.clore.faults.order("server-error", { path: "my_orders", onCall: 2, times: 1000 });
  const failure: unknown = await server
    .create(wanted(), callOf(on.plugin(), urn))
    .catch((error: unknown) => error);
  if (!(failure instanceof InitFailure)) throw failure;
  expect(failure.message).toContain("rental.unknown");
  expect(on.clore.requests.filter(({ path }) => path.endsWith("create_order"))).toHaveLength(1);
  on.clore.faults.clear();
  const state = await server.update(
    failure.id,
    wanted(),
    failure.state as ServerState,
    callOf(on.plugin(), urn),
  );
  expect(on.live()).toEqual([state.orderId]);
});
