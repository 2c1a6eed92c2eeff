import { expect, test as one } from "vitest";
import { server } from "../../src/provider/server.ts";
import { generateKeyPair } from "../../src/ssh/keypair.ts";
import { callOf, ground, type Lost, lostRun, urnOf, wanted } from "./plugin.ts";

const urn = urnOf("Server", "gpu");
/** Each has a ground of its own, and mostly waits. */
const test = one.concurrent;

test.each<{ until: Lost["until"]; leaves: string }>([
  { until: "sent", leaves: "its answer unread" },
  { until: "accepted", leaves: "its order unseen" },
  { until: "seen", leaves: "its order seen" },
])("a create that was killed with $leaves is gone on with, on the same machine", async ({ until }) => {
  await using on = await ground();
  const orderId = await lostRun(on.plugin(), { until });
  const said: string[] = [];
  const made = await server.create(wanted(), callOf(on.plugin(), urn, said));
  expect(made.state).toMatchObject({ orderId, serverId: 101, reachable: true, rental: { certain: true } });
  expect(on.clore.ledger().orders).toHaveLength(1);
  expect(said.join()).toContain(`order ${orderId} on #101 was left by an interrupted run`);
});

test("an intent that never reached the service is closed, and a server is rented", async () => {
  await using on = await ground();
  await lostRun(on.plugin(), { until: "intent" });
  const plugin = on.plugin();
  const made = await server.create(wanted(), callOf(plugin, urn));
  expect(on.live()).toEqual([made.state.orderId]);
  expect(plugin.ledger.entries().map((entry) => entry.outcome)).toEqual(["absent", "order"]);
});

test("nothing is rented while it cannot be told whether the lost order stands", async () => {
  await using on = await ground();
  const orderId = await lostRun(on.plugin(), { until: "seen" });
  await on.clore.faults.order("empty-listing", { times: 3 });
  const plugin = on.plugin();
  await expect(server.create(wanted(), callOf(plugin, urn))).rejects.toMatchObject({
    code: "rental.unknown",
  });
  expect(on.clore.ledger().orders).toHaveLength(1);
  on.clore.faults.clear();
  expect((await server.create(wanted(), callOf(plugin, urn))).state.orderId).toBe(orderId);
});

test("a listing that lacks the order once is not believed", async () => {
  await using on = await ground();
  await lostRun(on.plugin("elsewhere"), { serverId: 102, of: generateKeyPair() });
  const orderId = await lostRun(on.plugin(), { until: "seen" });
  await on.clore.faults.order("shrunken-listing"); // the younger half is missing
  const made = await server.create(wanted(), callOf(on.plugin(), urn));
  expect(made.state.orderId).toBe(orderId);
  expect(on.live()).toHaveLength(2);
});

test("an order that has ended meanwhile is concluded, and a server is rented", async () => {
  await using on = await ground();
  const orderId = await lostRun(on.plugin(), { until: "seen" });
  const plugin = on.plugin();
  await plugin.clore.cancelOrder(orderId ?? 0);
  const made = await server.create(wanted(), callOf(plugin, urn));
  expect(on.live()).toEqual([made.state.orderId]);
  expect(plugin.ledger.entries()[0]).toMatchObject({ orderId, outcome: "ended" });
});

test("of two orders that were left for one server, one is gone on with and the other given back", async () => {
  await using on = await ground();
  const first = await lostRun(on.plugin(), { until: "seen" });
  const second = await lostRun(on.plugin(), { serverId: 102, until: "accepted" });
  const made = await server.create(wanted(), callOf(on.plugin(), urn));
  expect(made.state.orderId).toBe(second);
  expect(on.live()).toEqual([second]);
  expect(on.clore.ledger().orders.find((order) => order.orderId === first)?.why).toBe("cancelled");
});

test.each<{ until: Lost["until"] }>([{ until: "sent" }, { until: "seen" }])(
  "what was left at '$until' is given back when the program asks for another image by now",
  async ({ until }) => {
    await using on = await ground();
    const orderId = await lostRun(on.plugin(), { until });
    const made = await server.create({ ...wanted(), image: "ours/other:1" }, callOf(on.plugin(), urn));
    expect(on.live()).toEqual([made.state.orderId]);
    expect(on.clore.ledger().orders).toMatchObject([
      { orderId, why: "cancelled" },
      { image: "ours/other:1" },
    ]);
  },
);

test("a lost order of another resource or with another key is not taken", async () => {
  await using on = await ground();
  await lostRun(on.plugin(), { urn: urnOf("Server", "other"), until: "seen" });
  await lostRun(on.plugin(), { serverId: 102, of: generateKeyPair(), until: "seen" });
  const made = await server.create(wanted(), callOf(on.plugin(), urn));
  expect(made.state.serverId).toBe(100);
  expect(on.live()).toHaveLength(3);
});

test("on another machine an order that our key opens is gone on with, and written down there", async () => {
  await using on = await ground();
  const orderId = await lostRun(on.plugin("laptop"), { until: "seen" });
  const pipeline = on.plugin("pipeline");
  await up(pipeline, orderId);
  const made = await server.create(wanted(), callOf(pipeline, urn));
  expect(made.state).toMatchObject({
    orderId,
    serverId: 101,
    pricePerDayUsd: 3.5,
    rental: { certain: true },
  });
  expect(on.live()).toEqual([orderId]);
  expect(pipeline.ledger.entries()).toMatchObject([{ urn, orderId, outcome: "order", certain: true }]);
});

test("an order that is still starting is waited for on another machine too", async () => {
  await using on = await ground();
  const orderId = await lostRun(on.plugin("laptop"));
  const made = await server.create(wanted(), callOf(on.plugin("pipeline"), urn));
  expect(made.state.orderId).toBe(orderId);
  expect(on.live()).toEqual([orderId]);
});

test("two servers with one key never take the same order, nor each other's", async () => {
  await using on = await ground();
  const orderId = await lostRun(on.plugin("laptop"), { until: "seen" });
  const pipeline = on.plugin("pipeline");
  await up(pipeline, orderId);
  const made = await Promise.all(
    ["a", "b"].map((name) => server.create(wanted(), callOf(pipeline, urnOf("Server", name)))),
  );
  const ids = made.map(({ state }) => state.orderId);
  expect(new Set(ids).size).toBe(2);
  expect(ids).toContain(orderId);
  expect(on.live().toSorted()).toEqual(ids.toSorted());

  // A third machine knows nothing of both; the hosts say whose they are.
  const third = await server.create(wanted(), callOf(on.plugin("third"), urnOf("Server", "c")));
  expect(ids).not.toContain(third.state.orderId);
  expect(on.live()).toHaveLength(3);
});

test("what another server of the program rents while the orders are being read is not taken for left behind", async () => {
  await using on = await ground();
  const plugin = on.plugin();
  let theirs: number | undefined;
  const orders = {
    read: async () => {
      if (theirs === undefined) {
        theirs = await lostRun(plugin, { urn: urnOf("Server", "other") });
        await up(plugin, theirs);
      }
      return { orders: await plugin.clore.myOrders(), requestedAtMs: Date.now() };
    },
  } as unknown as typeof plugin.orders;
  const call = callOf({ ...plugin, orders }, urn);
  const made = await server.create(wanted(), call);
  expect(theirs).toBeDefined();
  expect(made.state.orderId).not.toBe(theirs);
});

test("the orders of another stack are asked once, and left alone", async () => {
  await using on = await ground();
  const theirs = generateKeyPair("theirs");
  const other = await server.create(
    wanted(theirs),
    callOf(on.plugin("laptop"), urnOf("Server", "gpu", "prod")),
  );
  const pipeline = on.plugin("pipeline");
  const made = await server.create(wanted(), callOf(pipeline, urn));
  expect(made.state.orderId).not.toBe(other.state.orderId);
  expect(on.live()).toHaveLength(2);
});

test.each(["laptop", "pipeline"])(
  "a replacement does not take the order of what it replaces: on the %s",
  async (machine) => {
    await using on = await ground();
    const plugin = on.plugin();
    const old = await server.create(wanted(), callOf(plugin, urn));
    const next = on.plugin(machine);
    server.notice?.(old.state, next); // as the engine's Diff does
    const made = await server.create(wanted(), callOf(next, urn));
    expect(made.state.orderId).not.toBe(old.state.orderId);
    expect(on.live()).toHaveLength(2);
  },
);

test("a run that ended in good order leaves nothing to adopt, even when the next one shows no state", async () => {
  await using on = await ground();
  const plugin = on.plugin();
  const old = await server.create(wanted(), callOf(plugin, urn));
  plugin.claims.runEnded(plugin.ledger);
  const made = await server.create(wanted(), callOf(on.plugin(), urn));
  expect(made.state.orderId).not.toBe(old.state.orderId);
});

test("when a replacement has taken over the order after all, deleting the old resource does not cancel it", async () => {
  await using on = await ground();
  const old = await server.create(wanted(), callOf(on.plugin(), urn));
  const next = on.plugin();
  const made = await server.create(wanted(), callOf(next, urn));
  expect(made.state.orderId).toBe(old.state.orderId);
  await server.remove(old.id, old.state, callOf(next, urn));
  expect(on.live()).toEqual([made.state.orderId]);
  await server.remove(made.id, made.state, callOf(next, urn));
  expect(on.live()).toEqual([]);
});

test("a first create asks for each thing once, and for the longer listing because the short one is empty", async () => {
  await using on = await ground();
  await server.create(wanted(), callOf(on.plugin(), urn));
  const asked = on.answered();
  const paths = asked.slice(0, asked.indexOf("create_order"));
  expect(paths.toSorted()).toEqual(["marketplace", "my_orders", "my_orders", "renter_fees", "wallets"]);
});

/** Waits until the order's container is up, so that a key can be tried on it. */
async function up(
  plugin: { clore: { myOrders(): Promise<readonly { orderId: number; containerUp: boolean }[]> } },
  orderId: number | undefined,
) {
  while (!(await plugin.clore.myOrders()).some((order) => order.orderId === orderId && order.containerUp));
}
