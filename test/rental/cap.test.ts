import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { pricesInUsd } from "../../src/emulator/market/rows.ts";
import { InitFailure } from "../../src/provider/rpc/failures.ts";
import { server } from "../../src/provider/server.ts";
import type { ServerState } from "../../src/provider/server-state.ts";
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

  test.each([
    { fault: "empty-listing", machine: "ci", times: 2 },
    { fault: "shrunken-listing", machine: "laptop", times: 2 },
    { fault: "shrunken-listing", machine: "ci", times: 1 },
  ])("holds on the $machine when $times times: $fault", async ({ fault, machine, times }) => {
    await using on = await ground();
    const rented = [100, 101].map((serverId, i) =>
      lostRun(on.plugin("laptop"), {
        serverId,
        of: generateKeyPair(),
        until: "seen",
        urn: urnOf("Server", `${i}`, "x"),
      }),
    );
    const orders = await Promise.all(rented);
    const plugin = on.plugin(machine, { maxActivePricePerDay: "8" });
    await on.clore.faults.order(fault, { times });
    await expect(server.preview?.(wanted(), callOf(plugin, urn))).rejects.toMatchObject({
      code: "rental.over-cap",
    });
    on.clore.faults.clear();
    await on.clore.faults.order(fault, { times });
    await expect(server.create(wanted(), callOf(plugin, urn))).rejects.toMatchObject({
      code: "rental.over-cap",
    });
    expect(on.live()).toEqual(orders);
  });

  test("holds for bids that are raised side by side", async () => {
    await using on = await ground({ market: [100, 101].map((id) => ({ id, price: pricesInUsd(3, 1) })) });
    const plugin = on.plugin("laptop", cap);
    const want = {
      ...wanted(),
      market: "spot" as const,
      currency: "USD-Blockchain" as const,
      bidPricePerDay: 2,
    };
    const urns = ["a", "b"].map((name) => urnOf("Server", name));
    const made = await Promise.all(urns.map((one) => server.create(want, callOf(plugin, one))));
    const bids = () => on.clore.ledger().orders.map((order) => order.pricePerDayUsd);
    const raise = (bidPricePerDay: number) =>
      Promise.allSettled(
        made.map(({ id, state }, i) =>
          server.update(id, { ...want, bidPricePerDay }, state, callOf(plugin, urns[i] ?? "")),
        ),
      );
    const over = { status: "rejected", reason: expect.objectContaining({ code: "rental.over-cap" }) };
    expect(await raise(3.5)).toEqual([over, over]);
    expect(bids()).toEqual([2, 2]);
    expect((await raise(2.9)).filter(({ status }) => status === "rejected")).toEqual([over]);
    expect(bids().toSorted()).toEqual([2, 2.9]);
    expect(on.live()).toHaveLength(2);
  });

  test("an intent that was never sent is in the way for 10 minutes, and the message says what it is", async () => {
    await using on = await ground();
    const plugin = on.plugin("laptop", cap);
    await lostRun(plugin, { until: "intent", urn: urnOf("Server", "gone", "other") });
    await expect(server.preview?.(wanted(), callOf(plugin, urn))).rejects.toMatchObject({
      code: "rental.over-cap",
      seen: expect.stringContaining("3.50 USD of it no listing names"),
      hint: expect.stringContaining("clore ledger --open"),
    });
    const text = readFileSync(plugin.ledger.path, "utf8");
    const longAgo = new Date(Date.now() - 11 * 60_000).toISOString();
    writeFileSync(plugin.ledger.path, text.replace(/"at":"[^"]+"/, `"at":"${longAgo}"`));
    expect(await server.preview?.(wanted(), callOf(plugin, urn))).toEqual({ kind: "rented" });
  });

  test("an order that was ended elsewhere is looked up once", async () => {
    await using on = await ground();
    const plugin = on.plugin("laptop", cap);
    const orderId = await lostRun(plugin, { until: "seen", urn: urnOf("Server", "gone", "other") });
    await on.plugin("ci").clore.cancelOrder(orderId ?? 0);
    expect(await server.preview?.(wanted(), callOf(plugin, urn))).toEqual({ kind: "rented" });
    expect(plugin.ledger.entries()).toMatchObject([{ orderId, outcome: "ended" }]);
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
  await on.clore.faults.order("server-error", { path: "my_orders", onCall: 3, times: 1000 });
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
