import { expect, test, vi } from "vitest";
import { startEmulator } from "../../src/emulator/server.ts";
import { InitFailure } from "../../src/provider/rpc/failures.ts";
import { server } from "../../src/provider/server.ts";
import type { ServerInputs } from "../../src/provider/server-inputs.ts";
import type { ServerState } from "../../src/provider/server-state.ts";
import { generateKeyPair } from "../../src/ssh/keypair.ts";
import { callOf, type Ground, ground, lostRun, urnOf, wanted } from "../rental/plugin.ts";

// Two of them wait for SSH to give up, which takes 15 s of real time.
vi.setConfig({ testTimeout: 90_000 });

const urn = urnOf("Server", "gpu");
const longer = (more: Partial<ServerInputs> = {}): ServerInputs => ({ ...wanted(), lease: "16h", ...more });

/** A server that is up, as the engine knows it: outputs carry the inputs. */
async function running(on: Ground) {
  const made = await server.create(wanted(), callOf(on.plugin(), urn));
  return { id: made.id, known: { ...wanted(), ...made.state } as ServerState };
}

async function failureOf(call: Promise<unknown>): Promise<InitFailure> {
  const error = await call.then(
    () => expect.unreachable("it did not fail"),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(InitFailure);
  return error as InitFailure;
}

test.concurrent("under another account's key nothing is forgotten, ended or rented anew", async () => {
  await using on = await ground();
  const { id, known } = await running(on);
  await using other = await startEmulator({
    marketSize: 0,
    market: [{ id: 200 }, { id: 201 }],
    speed: 20,
    seed: 7,
  });
  const elsewhere = { apiUrl: other.apiUrl, apiKey: other.apiKey };
  const plugin = on.plugin("laptop", elsewhere);
  // Their listing is not empty: an order that it lacks looks ended.
  await lostRun(plugin, {
    serverId: 200,
    of: generateKeyPair(),
    urn: urnOf("Server", "x", "prod"),
    until: "seen",
  });

  await expect(server.read(id, known, wanted(), callOf(plugin, urn))).rejects.toMatchObject({
    code: "rental.other-account",
    message: expect.stringContaining(`order ${known.orderId}`),
  });
  const failed = await failureOf(server.update(id, longer(), known, callOf(plugin, urn)));
  expect(failed.message).toMatch(/^rental\.other-account: .*hint: configure the key/s);
  expect(failed.state.connection).toEqual(known.connection);
  expect(plugin.ledger.entries().find((entry) => entry.orderId === known.orderId)?.outcome).toBe("order");
  expect(on.live()).toEqual([known.orderId]);
  expect(other.active()).toHaveLength(1);
});

test.concurrent("a running server that SSH does not reach from here is kept by an update, which says so", async () => {
  await using on = await ground();
  const { id, known } = await running(on);
  await on.clore.faults.order("ssh-no-banner", { orderId: known.orderId, ms: 1e9 });
  const failed = await failureOf(
    server.update(id, longer({ bootMinutes: 0.3 }), known, callOf(on.plugin(), urn)),
  );
  expect(failed.message).toMatch(/^ssh\.[\w-]+: order \d+ .*hint: it was kept/s);
  expect(failed.state).toMatchObject({ orderId: known.orderId, connection: known.connection });
  expect(on.live()).toEqual([known.orderId]);
});

test.concurrent("one that a refresh has seen unreachable is replaced by the next update", async () => {
  await using on = await ground();
  const { id, known } = await running(on);
  await on.clore.faults.order("ssh-no-banner", { orderId: known.orderId, ms: 1e9 });
  const seen = { ...known, reachable: false };
  const { orderId } = await server.update(id, longer({ bootMinutes: 0.3 }), seen, callOf(on.plugin(), urn));
  expect(orderId).not.toBe(known.orderId);
  expect(on.live()).toEqual([orderId]);
});

test.concurrent("a lower price cap does not take a running server away", async () => {
  await using on = await ground();
  const { id, known } = await running(on);
  const cheaper = longer({ maxPricePerDay: known.pricePerDayUsd / 2 });
  expect(await server.update(id, cheaper, known, callOf(on.plugin(), urn))).toMatchObject({
    orderId: known.orderId,
    reachable: true,
  });
});

test.concurrent("an imported order that the program's key does not open is kept", async () => {
  await using on = await ground();
  const orderId = await lostRun(on.plugin("somewhere"), { of: generateKeyPair("by hand"), until: "sent" });
  const imported = await server.read(String(orderId), undefined, undefined, callOf(on.plugin(), urn));
  const known = imported!.state;
  const failed = await failureOf(
    server.update(`order-${orderId}`, longer({ bootMinutes: 0.3 }), known, callOf(on.plugin(), urn)),
  );
  expect(failed.message).toMatch(/^ssh\.auth-failed: order \d+ .*hint: it was kept/s);
  expect(on.live()).toEqual([orderId]);
});

test.concurrent.each<{ name: string; cut(on: Ground, stop: AbortController): unknown }>([
  { name: "interrupted", cut: (_, stop) => stop },
  { name: "met by empty listings", cut: (on) => on.clore.faults.order("empty-listing", { times: 2 }) },
])("an update that was $name keeps all that was known of the server", async ({ name, cut }) => {
  await using on = await ground();
  const { id, known } = await running(on);
  const stop = new AbortController();
  await cut(on, stop);
  const call = { ...callOf(on.plugin(), urn), signal: stop.signal };
  const status = (line: string) => {
    if (name === "interrupted" && /waiting for SSH|checking/.test(line)) stop.abort(new Error("Ctrl-C"));
  };
  const failed = await failureOf(
    server.update(id, longer(), known, { ...call, log: { ...call.log, status } }),
  );
  const { connection, hostKey, facts, address, orderId } = known;
  expect(failed.state).toMatchObject({ connection, hostKey, facts, address, orderId, reachable: true });
});
