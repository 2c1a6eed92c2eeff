import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CloreError } from "../../src/core/errors.ts";
import type { FaultOptions } from "../../src/emulator/faults.ts";
import type { Emulator } from "../../src/emulator/server.ts";
import { acquire } from "../../src/rental/acquire.ts";
import { Renting, startMarket } from "./support.ts";

let market: Emulator;
beforeAll(async () => {
  market = await startMarket();
});
afterAll(() => market.close());

test("the cheapest offer becomes a server that was reached and checked, and is given back", async () => {
  await using renting = new Renting(market);
  const live = await renting.rent();
  expect(live.record).toMatchObject({ serverId: 101, certain: true, pricePerDay: 1, pricePerDayUsd: 1 });
  expect(live.record.chosenBecause).toMatch(
    /^RTX 3090 with 24 GB in \w+, chosen over server 102 .*finishes 0\.0\d USD cheaper/,
  );
  expect(live.target).toMatchObject({
    address: "127.0.0.1",
    hostKey: expect.stringMatching(/^ssh-ed25519 /),
  });
  expect(live.facts.gpus).toMatchObject([{ name: "NVIDIA GeForce RTX 3090" }]);
  expect(renting.outcomes).toEqual(["101 order"]);
  expect(renting.orders).toMatchObject([{ orderId: live.record.orderId, ended: undefined }]);
  expect(renting.io.reserved.size).toBe(0);

  await renting.giveBack(live.record);
  expect(renting.outcomes).toEqual(["101 cancelled"]);
  expect(renting.orders).toMatchObject([{ why: "cancelled" }]);
});

test("what another server of the program has rented since the market was read is not asked for again", async () => {
  await using renting = new Renting(market);
  const choice = await renting.choose();
  const sibling = await renting.rent({ urn: "urn:pulumi:dev::p::clore:index:Server::sibling" });
  const live = await acquire(choice, renting.want(), renting.io);
  expect([sibling.record.serverId, live.record.serverId]).toEqual([101, 102]);
  expect(renting.outcomes).toEqual(["101 order", "102 order"]);
  expect(renting.warnings).toEqual([]);
  await renting.giveBack(sibling.record);
  await renting.giveBack(live.record);
});

interface NextOffer {
  fault: string;
  options?: FaultOptions;
  /** What is said of the first server. */
  warns: RegExp;
  /** How the first intent ends; an order means that it was rented and given back. */
  first: "refused" | "absent" | "cancelled";
}

describe("the next offer is taken", () => {
  test.each<NextOffer>([
    { fault: "server-already-rented", warns: /clore\.server-already-rented/, first: "refused" },
    { fault: "currency-not-allowed", warns: /clore\.currency-not-allowed/, first: "refused" },
    { fault: "code6-200", warns: /clore\.server-offline/, first: "refused" },
    { fault: "code6-500", warns: /clore\.server-offline/, first: "refused" },
    { fault: "price-changed", warns: /unclear, and it did not appear/, first: "absent" },
    { fault: "create-500", warns: /unclear, and it did not appear/, first: "absent" },
    { fault: "stuck-container", warns: /rental\.boot-timeout.*the container is not up/, first: "cancelled" },
    { fault: "ssh-refused", warns: /ssh\.refused/, first: "cancelled" },
    { fault: "ssh-no-auth", warns: /ssh\.auth-failed/, first: "cancelled" },
    {
      fault: "wrong-gpu",
      warns: /host\.wrong-gpu: 1 × RTX 3090 promised, the host has 0 \(.*GTX 1050 Ti/,
      first: "cancelled",
    },
    { fault: "no-gpu", warns: /host\.no-gpu/, first: "cancelled" },
  ])("after $fault", async ({ fault, options, warns, first }) => {
    await using renting = new Renting(market);
    await market.faults.order(fault, { ...options });
    const live = await renting.rent(/^(stuck|ssh)/.test(fault) ? { bootMinutes: 3 } : {});
    expect(live.record.serverId).toBe(102);
    expect(renting.warnings.at(-1)).toMatch(/^server 101: .*; trying the next offer$/);
    expect(renting.warnings.join("\n")).toMatch(warns);
    expect(renting.outcomes).toEqual([`101 ${first}`, "102 order"]);
    // What was rented in vain is over before the next is rented, and its host is remembered.
    const rented = renting.orders;
    expect(rented.map((order) => order.serverId)).toEqual(first === "cancelled" ? [101, 102] : [102]);
    if (first === "cancelled") {
      expect(rented[0]?.ended).toBeLessThanOrEqual((rented[1]?.created ?? 0) + 1000);
      expect(renting.hosts.read()[101]?.reason).toMatch(/^(rental|ssh|host)\./);
    } else {
      expect(renting.hosts.read()[101]).toBeUndefined();
    }
    await renting.giveBack(live.record);
  });

  test("unless it was remembered as bad: then it is not tried at all", async () => {
    await using renting = new Renting(market);
    renting.hosts.failed(101, "ssh.refused");
    const live = await renting.rent();
    expect(renting.orders.map((order) => order.serverId)).toEqual([102]);
    await renting.giveBack(live.record);
  });

  test("when another server of this program is about to take the first", async () => {
    await using renting = new Renting(market);
    const choice = renting.choose();
    await choice;
    renting.io.reserved.add(101);
    const live = await renting.rent();
    expect(live.record.serverId).toBe(102);
    await renting.giveBack(live.record);
  });
});

describe("an answer to the create that says nothing", () => {
  test.each(["create-500-after-success", "success-then-cut"])(
    "is looked up and the order found, one order: %s",
    async (fault) => {
      await using renting = new Renting(market);
      await market.faults.order(fault);
      const live = await renting.rent();
      expect(live.record).toMatchObject({ serverId: 101, certain: true });
      expect(renting.orders).toHaveLength(1);
      expect(
        // A busy machine can make two sends arrive as one: what came too early is asked again.
        market.requests.filter(
          ({ path, at, status }) => path.endsWith("create_order") && at > renting.startedAt && status !== 429,
        ),
      ).toHaveLength(1);
      await renting.giveBack(live.record);
    },
  );

  test("on a host that turns out wrong: what our key opened is ours to give back", async () => {
    await using renting = new Renting(market);
    await market.faults.order("create-500-after-success");
    await market.faults.order("wrong-gpu");
    const live = await renting.rent();
    expect(live.record.serverId).toBe(102);
    expect(renting.outcomes).toEqual(["101 cancelled", "102 order"]);
    await renting.giveBack(live.record);
  });

  test("on a host that nobody reaches: it is kept for a look, for it may be somebody else's", async () => {
    await using renting = new Renting(market);
    await market.faults.order("create-500-after-success");
    await market.faults.order("stuck-container");
    const failed = renting.rent({ bootMinutes: 2 });
    await expect(failed).rejects.toMatchObject({
      code: "rental.unproven",
      record: { serverId: 101, certain: false, orderId: expect.any(Number) },
      hint: expect.stringContaining("pulumi destroy"),
    });
    const { record } = await failed.catch((error) => error);
    await renting.giveBack({ ...record, certain: true });
  });
});

test("an order that takes long to appear is waited for", async () => {
  await using renting = new Renting(market);
  await market.faults.order("delayed-visibility");
  const live = await renting.rent();
  expect(live.record.serverId).toBe(101);
  expect(renting.orders).toHaveLength(1);
  await renting.giveBack(live.record);
});

test("an empty listing while it boots does not mean that it is gone", async () => {
  await using renting = new Renting(market);
  await market.faults.order("empty-listing", { onCall: 4, times: 6 });
  const live = await renting.rent();
  expect(live.record.serverId).toBe(101);
  expect(market.requests.filter(({ faults }) => faults.includes("empty-listing")).length).toBeGreaterThan(0);
  await renting.giveBack(live.record);
});

test("an order that vanishes while it boots is over, and the next is taken", async () => {
  await using renting = new Renting(market);
  await using other = new Renting(market);
  const neighbour = await other.rent();
  await market.faults.order("stuck-container");
  const rented = renting.rent();
  await renting.saw(/rented #102/);
  const first = renting.orders.at(-1);
  await market.faults.order("order-vanishes", { orderId: first?.orderId });
  const live = await rented;
  expect(first?.serverId).toBe(102);
  expect(live.record.serverId).toBe(103);
  expect(renting.warnings.join("\n")).toMatch(/server 102: rental\.vanished/);
  await renting.giveBack(live.record);
  await other.giveBack(neighbour.record);
});

describe("when no host works", () => {
  test("the error holds all attempts, and no order is left", async () => {
    await using renting = new Renting(market);
    await market.faults.order("server-already-rented");
    await market.faults.order("wrong-gpu", { times: 9 });
    const error: CloreError = await renting.rent().then(
      () => expect.unreachable(),
      (failed) => failed,
    );
    expect(error).toMatchObject({ code: "rental.no-host", retry: "later" });
    expect(error.message).toMatch(
      /^no host became a working server: 4 tried in \d+ s for about 0\.\d+ USD, all given back$/,
    );
    const table =
      error.seen
        ?.trim()
        .split("\n")
        .map((line) => line.trim()) ?? [];
    expect(table).toHaveLength(4);
    expect(table[0]).toMatch(/^#101 +\d+ s +0\.00 USD +clore\.server-already-rented: /);
    for (const [i, line] of table.slice(1).entries())
      expect(line).toMatch(new RegExp(`^#10${i + 2} .*host\\.wrong-gpu: `));
    expect(renting.emulator.active()).toEqual([]);
    expect(renting.outcomes).toEqual(["101 refused", "102 cancelled", "103 cancelled", "104 cancelled"]);
  });

  test("the limit of time ends it before the offers do", async () => {
    await using renting = new Renting(market);
    await market.faults.order("stuck-container", { times: 9 });
    await expect(renting.rent({ acquireMinutes: 1, bootMinutes: 1 })).rejects.toMatchObject({
      code: "rental.no-host",
      message: expect.stringContaining("1 tried"),
    });
  });
});

describe("a refusal that every offer would share ends it at once", () => {
  test("an empty wallet", async () => {
    await using renting = new Renting(market);
    await market.faults.order("not-enough-balance");
    await expect(renting.rent()).rejects.toMatchObject({ code: "clore.not-enough-balance" });
    expect(renting.outcomes).toEqual(["101 refused"]);
    expect(renting.orders).toEqual([]);
  });

  test("a storm of 429 that does not end", async () => {
    await using renting = new Renting(market);
    await market.faults.order("rate-limit-storm", { times: 99, path: "create_order" });
    await expect(renting.rent()).rejects.toMatchObject({ code: "clore.rate-limited" });
    expect(renting.orders).toEqual([]);
  });
});

test("a short storm of 429 is waited out", async () => {
  await using renting = new Renting(market);
  await market.faults.order("rate-limit-storm", { times: 4 });
  const live = await renting.rent();
  expect(live.record.serverId).toBe(101);
  await renting.giveBack(live.record);
});
