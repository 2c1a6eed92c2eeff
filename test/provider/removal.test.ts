import { expect, test } from "vitest";
import { CloreError } from "../../src/core/errors.ts";
import type { ConnectionInputs } from "../../src/provider/connection.ts";
import { server } from "../../src/provider/server.ts";
import type { ServerState } from "../../src/provider/server-state.ts";
import { service } from "../../src/provider/service.ts";
import { callOf, type Ground, ground, urnOf, wanted } from "../rental/plugin.ts";

const urn = urnOf("Server", "gpu");

/** With the one that it replaces in the state, as the engine shows it. */
async function rent(on: Ground, old?: ServerState) {
  const plugin = on.plugin();
  if (old) server.notice?.(old, plugin);
  const made = await server.create(wanted(), callOf(plugin, urn));
  const known = { ...wanted(), ...made.state };
  return { ...made, give: () => server.remove(made.id, known, callOf(on.plugin(), urn)) };
}

/** Removes a service from the server; SSH to it is dead, and each try is counted. */
async function removeService(on: Ground, connection: ConnectionInputs | undefined) {
  const said: string[] = [];
  const call = callOf(on.plugin(), urnOf("Service", "app"), said);
  let dialled = 0;
  const acquire = () => {
    dialled++;
    return Promise.reject(new CloreError("ssh.timed-out", { message: "nobody answers" }));
  };
  const plugin = { ...call.plugin, ssh: { ...call.plugin.ssh, acquire } as never };
  const known = { runsAs: "native", name: "app", connection } as never;
  const error = await service.remove("app", known, { ...call, plugin }).catch((reason: unknown) => reason);
  return { dialled, error, said };
}

test("what ran on a server that was given back is gone, and nobody is asked", async () => {
  await using on = await ground();
  const rented = await rent(on);
  await rented.give();
  expect(await removeService(on, rented.state.connection)).toEqual({
    dialled: 0,
    error: undefined,
    said: [],
  });
});

test("what ran on a dead server for which another stands in is left to it, and said", async () => {
  await using on = await ground();
  const dead = await rent(on);
  const other = await rent(on, dead.state);
  const { dialled, error, said } = await removeService(on, dead.state.connection);
  expect([dialled, error]).toEqual([1, undefined]);
  expect(said).toEqual([expect.stringContaining(`order ${dead.state.orderId}, which goes: ssh.timed-out`)]);
  for (const one of [dead, other]) await one.give();
});

test("what runs on a server that is needed still is not given up", async () => {
  await using on = await ground();
  const rented = await rent(on);
  expect(await removeService(on, rented.state.connection)).toMatchObject({
    error: { code: "ssh.timed-out" },
  });
  await rented.give();
});
