import { expect, test } from "vitest";
import type { PluginContext } from "../../src/provider/context.ts";
import { server } from "../../src/provider/server.ts";
import { sshKey } from "../../src/provider/ssh-key.ts";
import { callOf, ground, key, type Lost, lostRun, urnOf, wanted } from "./plugin.ts";

const urn = urnOf("Server", "gpu");
const keyUrn = urnOf("SshKey", "key");

test("an order that was accepted outlives a time of empty listings: destroy does not say that it is gone", async () => {
  await using on = await ground();
  const faults = { onCall: 2, times: 1000 }; // the first is read before it is rented
  await on.clore.faults.order("empty-listing", faults);
  const failed = await server.create(wanted(), callOf(on.plugin(), urn)).catch((error) => error);
  expect(failed.state.rental).toMatchObject({ certain: true, orderId: undefined });
  const state = { ...wanted(), ...failed.state };
  const plugin = on.plugin();
  await expect(server.remove(failed.id, state, callOf(plugin, urn))).rejects.toMatchObject({
    code: "rental.unknown",
  });
  await expect(sshKey.remove(key.fingerprint, key, callOf(plugin, keyUrn))).rejects.toMatchObject({
    code: "rental.left-over",
  });
  expect(plugin.ledger.entries()).toMatchObject([{ outcome: "accepted" }]);

  on.clore.faults.clear();
  await server.remove(failed.id, state, callOf(on.plugin(), urn));
  expect(on.live()).toEqual([]);
});

test("a create that was killed when it was accepted is gone on with after some empty listings", async () => {
  await using on = await ground();
  const orderId = await lostRun(on.plugin(), { until: "accepted" });
  await new Promise((resolve) => setTimeout(resolve, 3100)); // 60 looks: no time is left for looking
  await on.clore.faults.order("empty-listing", { times: 4 });
  const made = await server.create(wanted(), callOf(on.plugin(), urn));
  expect(made.state.orderId).toBe(orderId);
  expect(on.live()).toEqual([orderId]);
});

test("on another machine an empty listing does not hide what the key opens", async () => {
  await using on = await ground();
  const orderId = await lostRun(on.plugin("laptop"));
  await on.clore.faults.order("empty-listing", { onCall: 1 });
  const made = await server.create(wanted(), callOf(on.plugin("pipeline"), urn));
  expect(made.state.orderId).toBe(orderId);
  expect(on.live()).toEqual([orderId]);
});

/** A plugin as it was before the account's API key was changed. */
const withOldKey = (plugin: PluginContext): PluginContext => ({ ...plugin, account: () => "old-name" });

test.each<Pick<Lost, "until">>([{ until: "sent" }, { until: "accepted" }, { until: "seen" }])(
  "a create that was killed at '$until' is gone on with when the API key was changed meanwhile",
  async ({ until }) => {
    await using on = await ground();
    const orderId = await lostRun(withOldKey(on.plugin()), { until });
    const plugin = on.plugin();
    const made = await server.create(wanted(), callOf(plugin, urn));
    expect(made.state).toMatchObject({ orderId, rental: { account: plugin.account() } });
    expect(on.live()).toEqual([orderId]);
    await server.remove(made.id, { ...wanted(), ...made.state }, callOf(plugin, urn));
    await sshKey.remove(key.fingerprint, key, callOf(plugin, keyUrn));
    expect(on.live()).toEqual([]);
    expect(plugin.ledger.entries()).toMatchObject([{ orderId, outcome: "cancelled" }]);
  },
);

test("what was rented with an API key that was changed meanwhile is updated and given back with the new one", async () => {
  await using on = await ground();
  const made = await server.create(wanted(), callOf(withOldKey(on.plugin()), urn));
  const next = on.plugin();
  const state = await server.update(made.id, wanted(), made.state, callOf(next, urn));
  expect(state).toMatchObject({ orderId: made.state.orderId, rental: { account: next.account() } });
  await server.remove(made.id, { ...wanted(), ...made.state }, callOf(next, urn));
  expect(on.live()).toEqual([]);
  // Once more, as after a kill: that it is over is listed under the new key too.
  await server.remove(made.id, { ...wanted(), ...made.state }, callOf(next, urn));
});

test("the key's end gives back what was left under an API key that was changed meanwhile", async () => {
  await using on = await ground();
  await lostRun(withOldKey(on.plugin()), { until: "seen" });
  const plugin = on.plugin();
  await sshKey.remove(key.fingerprint, key, callOf(plugin, keyUrn));
  expect(on.live()).toEqual([]);
  expect(plugin.ledger.entries()).toMatchObject([{ outcome: "cancelled" }]);
});

test("what a state named is not left behind, under whatever API key", async () => {
  await using on = await ground();
  const old = withOldKey(on.plugin());
  const first = await server.create(wanted(), callOf(old, urn));
  old.claims.runEnded(old.ledger);
  const made = await server.create(wanted(), callOf(on.plugin(), urn));
  expect(made.state.orderId).not.toBe(first.state.orderId);
});
