import { expect, test, vi } from "vitest";
import type { Clock } from "../../src/core/clock.ts";
import { silentLog } from "../../src/core/log.ts";
import type { PluginContext } from "../../src/provider/context.ts";
import { server } from "../../src/provider/server.ts";
import { sshKey } from "../../src/provider/ssh-key.ts";
import { giveBackLeftOvers } from "../../src/rental/last-net.ts";
import { generateKeyPair } from "../../src/ssh/keypair.ts";
import { endRuns } from "../support/ledger.ts";
import { callOf, ground, key, type Lost, lostRun, urnOf, wanted } from "./plugin.ts";

const urn = urnOf("SshKey", "key");

function removeKey(plugin: PluginContext, said: string[] = [], of = key): Promise<void> {
  return sshKey.remove(of.fingerprint, of, callOf(plugin, urn, said));
}

test.each<{ until: Lost["until"] }>([{ until: "sent" }, { until: "accepted" }, { until: "seen" }])(
  "the key's end gives back what a create killed at '$until' has left",
  async ({ until }) => {
    await using on = await ground();
    const orderId = await lostRun(on.plugin(), { until });
    const plugin = on.plugin();
    await removeKey(plugin);
    expect(on.clore.ledger().orders).toMatchObject([{ orderId, why: "cancelled" }]);
    expect(plugin.ledger.entries()).toMatchObject([{ outcome: "cancelled" }]);
  },
);

test("what an interrupted run has left is named when the key is compared, until it is gone on with", async () => {
  await using on = await ground();
  const warnings = (plugin: PluginContext) => sshKey.warnings?.(key, { urn, plugin });
  const orderId = await lostRun(on.plugin(), { until: "seen" });
  await lostRun(on.plugin(), { urn: urnOf("Server", "gpu", "prod"), serverId: 102 });
  expect(warnings(on.plugin()), "its run is still there").toEqual([]);
  endRuns(on.plugin().ledger);
  expect(warnings(on.plugin())).toEqual([
    expect.stringMatching(
      new RegExp(`^order ${orderId} on server 101 \\(3\\.50 USD per day\\), left by .* if it still has gpu`),
    ),
  ]);
  const next = on.plugin();
  await server.create(wanted(), callOf(next, urnOf("Server", "gpu")));
  next.claims.runEnded(next.ledger);
  expect(warnings(on.plugin())).toEqual([]);
});

test("what was asked for without an answer is named for a day", async () => {
  await using on = await ground();
  const warnings = () => sshKey.warnings?.(key, { urn, plugin: on.plugin() });
  await lostRun(on.plugin(), { until: "intent" });
  endRuns(on.plugin().ledger);
  expect(warnings()).toEqual([expect.stringContaining("a possible order on server 101")]);
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 25 * 3_600_000 });
  expect(warnings()).toEqual([]);
  vi.useRealTimers();
});

test("on a machine without that ledger, what the key opens is given back and written down", async () => {
  await using on = await ground();
  const orderId = await lostRun(on.plugin("laptop"), { until: "sent" });
  const pipeline = on.plugin("pipeline");
  await removeKey(pipeline);
  expect(on.live()).toEqual([]);
  expect(pipeline.ledger.entries()).toMatchObject([
    { orderId, outcome: "cancelled", keyFingerprint: key.fingerprint },
  ]);
});

test("other people's orders, other stacks' and those that do not answer are left alone", async () => {
  await using on = await ground();
  const theirs = await lostRun(on.plugin("laptop"), { of: generateKeyPair(), serverId: 100 });
  // The same key in another stack: the host says whose it is.
  const other = await server.create(wanted(), callOf(on.plugin("laptop"), urnOf("Server", "gpu", "prod")));
  await on.clore.faults.order("stuck-container");
  const silent = await lostRun(on.plugin("laptop"), { of: generateKeyPair(), serverId: 102 });
  const said: string[] = [];
  await removeKey(on.plugin("pipeline"), said);
  expect(on.live().toSorted()).toEqual([theirs, other.state.orderId, silent].toSorted());
  expect(said).toEqual([
    expect.stringMatching(new RegExp(`^order ${silent} on server 102 .* did not answer over SSH`)),
  ]);
});

test("the ledger's entries of another stack with the same key are none of its business", async () => {
  await using on = await ground();
  const orderId = await lostRun(on.plugin(), { urn: urnOf("Server", "gpu", "prod"), until: "seen" });
  await removeKey(on.plugin());
  expect(on.live()).toEqual([orderId]);
});

test("what another stack rents with the same key while the orders are being read is left alone", async () => {
  await using on = await ground();
  const plugin = on.plugin();
  let theirs: number | undefined;
  const myOrders: typeof plugin.clore.myOrders = async (...asked) => {
    theirs ??= await lostRun(plugin, { urn: urnOf("Server", "gpu", "prod"), until: "seen" });
    return plugin.clore.myOrders(...asked);
  };
  const clore = { myOrders, cancelOrder: plugin.clore.cancelOrder.bind(plugin.clore) } as typeof plugin.clore;
  await removeKey({ ...plugin, clore });
  expect(on.live()).toEqual([theirs]);
});

test("without an API key it is an error when the ledger knows of something, and nothing otherwise", async () => {
  await using on = await ground();
  const orderId = await lostRun(on.plugin(), { until: "seen" });
  const keyless = { apiKey: "" };
  await expect(removeKey(on.plugin("laptop", keyless))).rejects.toMatchObject({
    code: "clore.no-api-key",
    message: expect.stringContaining(`order ${orderId} on server 101 (3.50 USD per day)`),
  });
  const calls = on.clore.requests.length;
  await removeKey(on.plugin("elsewhere", keyless));
  expect(on.clore.requests).toHaveLength(calls);
});

test("another account's order is an error that names it, and so the key stays", async () => {
  await using on = await ground();
  const plugin = on.plugin();
  plugin.ledger.intend({
    account: "another",
    urn: urnOf("Server", "gpu"),
    keyFingerprint: key.fingerprint,
    serverId: 102,
    image: "image",
    market: "on-demand",
    currency: "USD-Blockchain",
    pricePerDay: 2,
  });
  await expect(removeKey(plugin)).rejects.toMatchObject({
    code: "rental.left-over",
    message: expect.stringMatching(/server 102 \(2 USD-Blockchain per day\): rental\.other-account/),
  });
});

test("an API key that Clore.ai refuses does not keep a stack that never rented", async () => {
  await using on = await ground();
  const said: string[] = [];
  await removeKey(on.plugin("laptop", { apiKey: "x".repeat(32) }), said);
  expect(said).toEqual([expect.stringContaining("orders were not looked at")]);
});

test("an end that cannot be confirmed is an error that names order and price, and the next try ends it", async () => {
  await using on = await ground();
  const plugin = on.plugin();
  const orderId = await lostRun(plugin, { until: "seen" });
  await on.clore.faults.order("cancel-ignored-once", { times: 500 });
  const { clore, ledger, orders, claims, pollMs } = plugin;
  const io = { clore, ledger, orders, claims, pollMs, account: plugin.account(), log: silentLog };
  const last = { fingerprint: key.fingerprint, privateKey: key.privateKey, urn };
  const signal = new AbortController().signal;
  await expect(giveBackLeftOvers(last, { ...io, signal, clock: hurried })).rejects.toMatchObject({
    code: "rental.left-over",
    message: expect.stringMatching(
      new RegExp(`order ${orderId} .* may still bill 3\\.5 USD-Blockchain per day`),
    ),
  });
  on.clore.faults.clear();
  await removeKey(plugin);
  expect(on.live()).toEqual([]);
});

test("where nothing is left it costs two reads of the orders at the most", async () => {
  await using on = await ground();
  await removeKey(on.plugin());
  expect(on.answered()).toEqual(["my_orders", "my_orders"]);
});

/** Runs 20 times as fast. */
const began = Date.now();
const hurried: Clock = {
  now: () => began + (Date.now() - began) * 20,
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms / 20)),
};
