import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Emulator } from "../../src/emulator/server.ts";
import { mayBill } from "../../src/ledger/ledger.ts";
import { release } from "../../src/rental/release.ts";
import { UnfinishedRental } from "../../src/rental/unfinished.ts";
import { Renting, startMarket } from "./support.ts";

let market: Emulator;
beforeAll(async () => {
  market = await startMarket();
});
afterAll(() => market.close());

interface Phase {
  name: string;
  at: RegExp;
  fault?: string;
  /** What may be left: nothing at all, or an order whose record the error carries. */
  left: "nothing" | "recorded";
}

describe("an interrupt", () => {
  test.each<Phase>([
    { name: "while the market is read", at: /reading the marketplace/, left: "nothing" },
    { name: "once the offers are ranked", at: /ranked 4 offers/, left: "nothing" },
    { name: "just before the create", at: /renting #101/, left: "nothing" },
    { name: "while the order is looked for", at: /looking for the order on #101/, left: "recorded" },
    { name: "when the order was seen", at: /rented #101 as order/, left: "recorded" },
    { name: "while the container boots", at: /order \d+: the container is not up/, left: "recorded" },
    { name: "while SSH is waited for", at: /waiting for SSH on/, left: "recorded" },
    { name: "between two tries of SSH", at: /attempt 2/, fault: "ssh-refused", left: "recorded" },
    { name: "while the machine is checked", at: /checking the machine/, left: "recorded" },
    { name: "while a wrong host is given back", at: /cancelling order/, fault: "no-gpu", left: "recorded" },
  ])("$name leaves $left", async ({ at, fault, left }) => {
    await using renting = new Renting(market);
    if (fault) await market.faults.order(fault);
    renting.abortAt(at);
    const error: unknown = await renting.rent().then(
      () => expect.unreachable("it went on"),
      (reason) => reason,
    );
    if (left === "nothing") {
      expect(error).not.toBeInstanceOf(UnfinishedRental);
      expect(renting.orders).toEqual([]);
      expect(renting.ledger.entries().filter(mayBill)).toEqual([]);
      return;
    }
    expect(error).toBeInstanceOf(UnfinishedRental);
    const { record } = error as UnfinishedRental;
    expect(record).toMatchObject({ serverId: 101, certain: true });
    const open = market.active();
    expect(open.map((order) => order.serverId)).toEqual(open.map(() => record.serverId));
    // The ledger knows what may bill, and what the state holds is enough to give it back.
    if (open.length > 0) expect(renting.ledger.entries().filter(mayBill)).toMatchObject([{ serverId: 101 }]);
    await renting.giveBack(record);
    expect(market.active()).toEqual([]);
    expect(renting.ledger.entries().filter(mayBill)).toEqual([]);
  });

  test("in the middle of the create leaves a record, for nobody knows", async () => {
    await using renting = new Renting(market);
    await market.faults.order("slow-answer", { path: "create_order", ms: 500 });
    const rented = renting.rent();
    await renting.saw(/renting #101/);
    setTimeout(() => renting.abort(), 250);
    const error: UnfinishedRental = await rented.then(
      () => expect.unreachable("it went on"),
      (reason) => reason,
    );
    expect(error).toMatchObject({
      code: "clore.cancelled",
      message: expect.stringMatching(/^an order on server 101 may exist and is not ready/),
      record: { serverId: 101, orderId: undefined, certain: false },
    });
    expect(renting.ledger.entries().filter(mayBill)).toMatchObject([{ serverId: 101, outcome: undefined }]);
    // It was made all the same: the record finds it, and without the key nobody has proved it ours.
    const io = { ...renting.io, signal: new AbortController().signal };
    await expect(release(error.record, "destroyed", io)).rejects.toMatchObject({ code: "rental.unproven" });
    expect(market.active()).toHaveLength(1);
    await renting.giveBack(error.record);
    expect(market.active()).toEqual([]);
  });
});
