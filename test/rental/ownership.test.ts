import { expect, test } from "vitest";
import { CutError } from "../../src/clore/errors.ts";
import type { PluginContext } from "../../src/provider/context.ts";
import { server } from "../../src/provider/server.ts";
import type { ServerInputs } from "../../src/provider/server-inputs.ts";
import type { ServerState } from "../../src/provider/server-state.ts";
import { sshKey } from "../../src/provider/ssh-key.ts";
import { generateKeyPair } from "../../src/ssh/keypair.ts";
import { callOf, type Ground, ground, key, type Lost, lostRun, urnOf, wanted } from "./plugin.ts";

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

const prodUrn = urnOf("Server", "gpu", "prod");

/** A create whose order may exist, by its state: the service said so, or said nothing that helps. */
async function unseen(on: Ground, of: "accepted" | "unclear") {
  if (of === "unclear") await on.clore.faults.order("create-500");
  const fault = of === "accepted" ? "empty-listing" : "server-error";
  await on.clore.faults.order(fault, { path: "my_orders", onCall: 3, times: 1000 });
  const failed = await server.create(wanted(), callOf(on.plugin(), urn)).catch((error) => error);
  on.clore.faults.clear();
  expect(failed.state.rental).toMatchObject({ orderId: undefined, certain: of === "accepted" });
  return { id: failed.id as string, state: { ...wanted(), ...failed.state } as ServerState & ServerInputs };
}

test("what another stack has rented on the server of an order that was never seen is not given back", async () => {
  await using on = await ground();
  const { id, state } = await unseen(on, "accepted");
  for (const orderId of on.live()) await on.plugin().clore.cancelOrder(orderId); // by hand
  const theirs = await server.create(
    wanted(generateKeyPair("theirs")),
    callOf(on.plugin("colleague"), prodUrn),
  );
  expect(theirs.state.serverId).toBe(state.serverId);
  await expect(server.remove(id, state, callOf(on.plugin(), urn))).rejects.toMatchObject({
    code: "rental.unproven",
    message: expect.stringContaining(`order ${theirs.state.orderId} on server ${state.serverId}`),
  });
  expect(on.live()).toEqual([theirs.state.orderId]);

  await on.plugin().clore.cancelOrder(theirs.state.orderId ?? 0);
  await server.remove(id, state, callOf(on.plugin(), urn));
});

test("an order whose server says nothing yet is neither given back nor given up", async () => {
  await using on = await ground();
  await on.clore.faults.order("stuck-container");
  const { id, state } = await unseen(on, "accepted");
  const plugin = on.plugin();
  await expect(server.remove(id, state, callOf(plugin, urn))).rejects.toMatchObject({
    code: "rental.unproven",
  });
  expect(on.live()).toHaveLength(1);
  expect(plugin.ledger.entries()).toMatchObject([{ outcome: "accepted" }]);
});

test("with a shared key the host says that the order is another stack's", async () => {
  await using on = await ground();
  const { id, state } = await unseen(on, "unclear");
  const theirs = await server.create(wanted(), callOf(on.plugin("colleague"), prodUrn));
  expect(theirs.state.serverId).toBe(state.serverId);
  const plugin = on.plugin();
  const made = await server.update(id, wanted(), state, callOf(plugin, urn));
  expect(made.serverId).not.toBe(state.serverId);
  expect(on.live().toSorted()).toEqual([made.orderId, theirs.state.orderId].toSorted());
  await server.remove(id, state, callOf(plugin, urn));
  expect(on.live()).toContain(theirs.state.orderId);
});

test.each(["before", "beside"])(
  "where an order may stand no other server of the program is rented: %s",
  async (when) => {
    await using on = await ground();
    const { id, state } = await unseen(on, "unclear");
    const plugin = on.plugin();
    server.notice?.(state, plugin); // as the engine's Diff does
    const make = () => server.create(wanted(), callOf(plugin, urnOf("Server", "other")));
    const early = when === "before" ? await make() : undefined;
    const [other, mine] = await Promise.all([
      early ?? make(),
      server.update(id, wanted(), state, callOf(plugin, urn)),
    ]);
    expect(on.live().toSorted()).toEqual([other.state.orderId, mine.orderId].toSorted());
    expect(other.state.orderId).not.toBe(mine.orderId);
    await server.remove(id, { ...wanted(), ...mine } as ServerState, callOf(plugin, urn));
    expect(on.live()).toEqual([other.state.orderId]);
  },
);

test.each(["the ledger", "the host"])(
  "what another stack rents while a create is cut is not taken for it: by %s",
  async (witness) => {
    await using on = await ground();
    const plugin = on.plugin();
    let theirs: number | undefined;
    const createOrder: typeof plugin.clore.createOrder = async (request, signal) => {
      if (theirs !== undefined) return plugin.clore.createOrder(request, signal);
      theirs =
        witness === "the ledger"
          ? await lostRun(plugin, { serverId: request.serverId, urn: prodUrn, until: "seen" })
          : (await server.create(wanted(), callOf(on.plugin("colleague"), prodUrn))).state.orderId;
      throw new CutError({ endpoint: "create_order", write: true });
    };
    const { myOrders, cancelOrder, marketplace, wallets, renterFees } = plugin.clore;
    const clore = Object.fromEntries(
      Object.entries({ myOrders, cancelOrder, marketplace, wallets, renterFees }).map(([name, call]) => [
        name,
        (call as () => unknown).bind(plugin.clore),
      ]),
    );
    const cut = { ...plugin, clore: { ...clore, createOrder } as unknown as typeof plugin.clore };
    const made = await server.create(wanted(), callOf(cut, urn));
    expect(theirs).toBeDefined();
    expect(made.state.orderId).not.toBe(theirs);
    expect(on.live().toSorted()).toEqual([made.state.orderId, theirs].toSorted());
  },
);
