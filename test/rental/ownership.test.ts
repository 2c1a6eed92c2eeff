import { expect, test } from "vitest";
import { server } from "../../src/provider/server.ts";
import { sshKey } from "../../src/provider/ssh-key.ts";
import { callOf, ground, key, lostRun, urnOf, wanted } from "./plugin.ts";

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
