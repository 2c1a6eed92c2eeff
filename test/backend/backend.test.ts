import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readBackend } from "../../src/backend/backend.ts";
import { readState } from "../../src/backend/state.ts";
import { needs } from "../support/needs.ts";
import { FileBackend } from "./support.ts";

const signal = new AbortController().signal;

describe.skipIf(needs("pulumi"))("a file backend", () => {
  test("gives the servers of all stacks: half-made ones, replaced ones, and those that may have an order", async () => {
    using backend = new FileBackend();
    const leaseEndsAt = "2026-11-21T08:00:00.000Z";
    const dev = backend.stack("proxy", "dev", [
      { orderId: 7, leaseEndsAt },
      { orderId: 6, waitsForDeletion: true },
    ]);
    const prod = backend.stack("proxy", "prod", [{ name: "half", serverId: 5, certain: false }]);
    const empty = backend.stack("other", "dev", []);
    const read = await readBackend({ env: backend.env, signal, cwd: backend.folder });
    expect(read.stacks.toSorted()).toEqual([dev, prod, empty].toSorted());
    expect(read.servers.toSorted((a, b) => (a.orderId ?? 99) - (b.orderId ?? 99))).toMatchObject([
      { stack: dev, orderId: 6, waitsForDeletion: true },
      {
        stack: dev,
        urn: "urn:pulumi:dev::proxy::clore:index:Server::gpu",
        resourceId: "rented-gpu-7",
        orderId: 7,
        serverId: 100,
        pricePerDayUsd: 2,
        lease: "8h",
        leaseEndsAt,
        waitsForDeletion: false,
      },
      { stack: prod, orderId: undefined, serverId: 5, certain: false },
    ]);
  });

  test("names a stack with its project in the project's own folder too", async () => {
    using backend = new FileBackend();
    backend.stack("proxy", "dev", [{ orderId: 7 }]);
    const other = backend.stack("other", "dev", []);
    const read = await readBackend({ env: backend.env, signal, cwd: join(backend.folder, "proxy") });
    expect(read.stacks.toSorted()).toEqual([other, "proxy/dev"]);
    expect(read.servers).toMatchObject([{ stack: "proxy/dev", orderId: 7 }]);
  });

  test("with one stack that cannot be read gives nothing, and names it", async () => {
    using backend = new FileBackend();
    backend.stack("proxy", "dev", [{ orderId: 7 }]);
    backend.stack("proxy", "prod", [{ orderId: 8 }]);
    const folder = join(backend.folder, "backend", ".pulumi", "stacks", "proxy");
    const file = join(folder, "prod.json");
    writeFileSync(file, readFileSync(file, "utf8").slice(0, 300));
    for (const name of readdirSync(folder)) if (name.includes("bak")) rmSync(join(folder, name));
    await expect(readBackend({ env: backend.env, signal })).rejects.toMatchObject({
      code: "backend.unreadable",
      message: expect.stringContaining("pulumi stack"),
    });
  });

  test("that is not there is an error, not an empty list", async () => {
    using backend = new FileBackend();
    const env = { ...backend.env, PULUMI_BACKEND_URL: `file://${backend.folder}/missing` };
    await expect(readBackend({ env, signal })).rejects.toMatchObject({ code: "backend.unreadable" });
  });
});

test("without the CLI it says so", async () => {
  await expect(readBackend({ env: { PATH: "/nowhere" }, signal })).rejects.toMatchObject({
    code: "backend.no-cli",
  });
});

describe("a state", () => {
  const server = (outputs: object) => ({
    deployment: { resources: [{ urn: "urn", type: "clore:index:Server", outputs }] },
  });

  test("names creates that were cut short, and owns what a pending operation holds", () => {
    const type = "clore:index:Server";
    const rental = {
      intentId: "intent",
      image: "image",
      market: "on-demand",
      account: "a",
      serverId: 5,
      certain: true,
      currency: "bitcoin",
      pricePerDay: 1,
      pricePerDayUsd: 2,
    };
    const state = readState("dev", {
      deployment: {
        resources: [],
        pending_operations: [
          { type: "creating", resource: { urn: "lost", type, inputs: { lease: "8h" } } },
          {
            type: "deleting",
            resource: { urn: "going", type, id: "x", outputs: { rental: { ...rental, orderId: 9 } } },
          },
          { type: "creating", resource: { urn: "other", type: "clore:index:Service" } },
        ],
      },
    });
    expect(state.pendingRentals).toEqual(["lost"]);
    expect(state.servers).toMatchObject([{ urn: "going", orderId: 9, serverId: 5 }]);
  });

  test.each([
    { name: "of nothing", state: { deployment: {} } },
    { name: "of an existing host", state: server({ kind: "existing" }) },
    {
      name: "of other resources",
      state: { deployment: { resources: [{ urn: "u", type: "clore:index:Model" }] } },
    },
  ])("$name owns no order", ({ state }) => {
    expect(readState("dev", state)).toEqual({ stack: "dev", servers: [], pendingRentals: [] });
  });

  test.each([
    { name: "without a record", state: server({ kind: "rented", orderId: 7 }) },
    { name: "with an unknown record", state: server({ kind: "rented", rental: { order: "7" } }) },
    { name: "of another form", state: { resources: [] } },
    { name: "that is none", state: "busy" },
  ])("$name is refused", ({ state }) => {
    expect(() => readState("dev", state)).toThrow(expect.objectContaining({ code: "backend.unreadable" }));
  });
});
