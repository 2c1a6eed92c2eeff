import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { faultTable } from "../../src/emulator/faults.ts";
import { nothingBills } from "../support/faults/invariants.ts";
import { type SharedMachines, sharedMachines } from "../support/faults/machines.ts";
import { billing, seen, tableRows } from "../support/faults/seen.ts";
import { World } from "../support/faults/world.ts";

let machines: SharedMachines;
beforeAll(async () => {
  machines = await sharedMachines();
});
afterAll(async () => {
  await machines[Symbol.asyncDispose]();
});

test("every fault of the emulator has its row", () => {
  expect(Object.keys(seen).toSorted()).toEqual(Object.keys(faultTable).toSorted());
});

test("the table in docs/reliability.md is this one", () => {
  const text = readFileSync(new URL("../../docs/reliability.md", import.meta.url), "utf8");
  const rows = text.split("\n").filter((line) => /^\| `[\w-]+` \|/.test(line));
  expect(rows).toEqual(tableRows());
});

// Most wait for a host to answer or not: side by side they take as long as the slowest.
test.concurrent.each(Object.entries(seen))("%s", { timeout: 240_000 }, async (name, expected) => {
  const { in: where = "up", options, server, ok = true, says, orders = 1 } = expected;
  await using world = await World.start({ machines });
  const want = [{ name: "gpu", bootMinutes: 0.5, ...server }];
  const strikesAtRental = where === "up" || name === "host-key-changed";
  if (strikesAtRental) await world.emulator.faults.order(name, options);
  if (where !== "up") expect((await world.driver.up(want)).errors).toEqual([]);
  if (!strikesAtRental) await world.emulator.faults.order(name, options);

  const run = where === "up" ? await world.driver.up(want) : await world.driver[where]();
  const heard = [...run.said, ...run.errors].join("\n");
  expect({ ok: run.ok, orders: world.ours().length, billing: world.live().length, heard }).toMatchObject({
    ok,
    orders,
    billing: billing(expected),
  });
  let from = 0;
  for (const part of says) {
    expect(heard.slice(from)).toContain(part);
    from = heard.indexOf(part, from) + part.length;
  }
  if (says.length === 0) expect(heard.replace(/^gpu: rented .*$/m, "")).toBe("");

  world.emulator.faults.clear();
  if (where !== "destroy") expect((await world.driver.up(want)).errors).toEqual([]);
  expect((await world.driver.destroy()).errors).toEqual([]);
  expect(nothingBills(world)).toEqual([]);
});
