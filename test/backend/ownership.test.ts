import { expect, test } from "vitest";
import { type Owner, ownerOf } from "../../src/backend/ownership.ts";
import type { OwnedServer } from "../../src/backend/state.ts";
import type { Entry } from "../../src/ledger/ledger.ts";

const order = { orderId: 7, serverId: 100 };
const server = (change: Partial<OwnedServer>) =>
  ({ stack: "org/proxy/dev", urn: "u", orderId: 7, serverId: 100, ...change }) as OwnedServer;
const entry = (change: Partial<Entry> = {}) =>
  ({
    urn: "urn:pulumi:dev::proxy::clore:index:Server::gpu",
    orderId: 7,
    serverId: 100,
    outcome: "order",
    pid: 1,
    ...change,
  }) as Entry;

interface Case {
  name: string;
  servers?: OwnedServer[];
  entries?: Entry[];
  stacks?: string[];
  running?: boolean;
  pending?: string[];
  mayBeUnderWay?: boolean;
  by: Owner["by"];
  because: RegExp;
}

test.each<Case>([
  { name: "a state names it", servers: [server({})], by: "stack", because: /names it/ },
  {
    name: "a state has a possible order on its server",
    servers: [server({ orderId: undefined })],
    by: "stack",
    because: /possible order/,
  },
  {
    name: "a state names another order on its server",
    servers: [server({ orderId: 6 })],
    by: "nobody",
    because: /no state/,
  },
  {
    name: "a process is renting it",
    entries: [entry()],
    running: true,
    by: "ledger",
    because: /process 1 is renting/,
  },
  {
    name: "a process is about to rent that server",
    entries: [entry({ orderId: undefined, outcome: undefined })],
    running: true,
    by: "ledger",
    because: /process 1/,
  },
  { name: "its process is gone", entries: [entry()], by: "nobody", because: /process 1, which .* is gone/ },
  {
    name: "its stack is of another backend",
    entries: [entry()],
    stacks: ["org/other/dev"],
    by: "ledger",
    because: /does not have/,
  },
  {
    name: "a stack of its name is of another project",
    entries: [entry()],
    stacks: ["other/dev"],
    by: "ledger",
    because: /does not have/,
  },
  {
    name: "its stack is in a backend without projects",
    entries: [entry()],
    stacks: ["dev"],
    by: "nobody",
    because: /is gone/,
  },
  { name: "a state named it once", entries: [entry({ kept: true })], by: "nobody", because: /named it once/ },
  {
    name: "the ledger took it for ended",
    entries: [entry({ outcome: "ended" })],
    running: true,
    by: "nobody",
    because: /does not name it/,
  },
  {
    name: "nobody knows it, and a create elsewhere is pending",
    pending: ["urn:pulumi:prod::proj::clore:index:Server::gpu"],
    by: "nobody",
    because: /; under way or cut short: gpu$/,
    mayBeUnderWay: true,
  },
  {
    name: "its process is gone, and a create is pending",
    entries: [entry()],
    pending: ["urn:pulumi:prod::proj::clore:index:Server::gpu"],
    by: "nobody",
    because: /is gone/,
  },
  { name: "nobody knows it", by: "nobody", because: /this machine has not rented it/ },
])(
  "$name: it belongs to $by",
  ({ servers = [], entries = [], stacks = ["org/proxy/dev"], running = false, pending = [], ...want }) => {
    const backend = { stacks, servers, pendingRentals: pending };
    const owner = ownerOf(order, { backend, entries, isRunning: () => running });
    expect(owner.by).toBe(want.by);
    expect(owner.because).toMatch(want.because);
    if (owner.by === "nobody") expect(owner.mayBeUnderWay).toBe(want.mayBeUnderWay ?? false);
  },
);
