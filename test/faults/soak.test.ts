import { afterAll, beforeAll, expect, test } from "vitest";
import { SmallEngineDriver } from "../support/faults/driver.ts";
import {
  nothingBills,
  othersAreLeftAlone,
  ratesAreKept,
  stateIsReality,
} from "../support/faults/invariants.ts";
import { type SharedMachines, sharedMachines } from "../support/faults/machines.ts";
import { PluginProcess } from "../support/faults/plugin-process.ts";
import { speed, World } from "../support/faults/world.ts";

const emulatedMinutes = 30;
/** What the plugin may gain after its first rounds, in MB: connections or machines that pile up show. */
const growthMb = 30;
/** With gigabytes free, V8 lets rubbish lie for long: a small heap shows what is kept. */
const smallHeap = { NODE_OPTIONS: "--max-old-space-size=64 --max-semi-space-size=4" };

/** Passing troubles: each round meets two of them. */
const troubles = [
  "success-then-cut",
  "html-502",
  "create-500-after-success",
  "cancel-ignored-once",
  "code6-200",
  "ssh-drop",
  "delayed-visibility",
  "cancel-fails-then-works",
  "order-vanishes",
  "empty-listing",
  "server-error",
  "rate-limit-storm",
];

let machines: SharedMachines;
beforeAll(async () => {
  machines = await sharedMachines();
});
afterAll(async () => {
  await machines[Symbol.asyncDispose]();
});

test(`20 servers up and down for ${emulatedMinutes} emulated minutes: no order is left, and memory stays flat`, async () => {
  let plugin: PluginProcess | undefined;
  await using world = await World.start({
    machines,
    offers: 40,
    foreign: 1,
    env: smallHeap,
    driver: async (settings) => {
      plugin = await PluginProcess.start(settings.env, settings.config);
      return new SmallEngineDriver(settings, plugin);
    },
  });
  const want = Array.from({ length: 20 }, (_, i) => ({ name: `gpu-${i}` }));
  const memoryMb: number[] = [];
  const end = Date.now() + (emulatedMinutes * 60_000) / speed;
  for (let round = 0; Date.now() < end || round < 4; round++) {
    for (const offset of [0, 1])
      await world.emulator.faults.order(troubles[(2 * round + offset) % troubles.length]!, {
        onCall: 3 + 5 * offset,
      });
    const up = await world.driver.up(want);
    if (!up.ok) expect(up.errors.join("\n")).not.toBe("");
    world.emulator.faults.clear();
    // What failed is mended by asking again, as a user does.
    expect((await world.driver.refresh()).errors).toEqual([]);
    expect((await world.driver.up(want)).errors).toEqual([]);
    expect(stateIsReality(world)).toEqual([]);
    expect((await world.driver.destroy()).errors).toEqual([]);
    expect(nothingBills(world)).toEqual([]);
    memoryMb.push(Math.round((plugin?.residentKb ?? 0) / 1024));
  }
  await plugin?.end();
  const settled = Math.max(...memoryMb.slice(0, 3));
  console.log(
    `soak: ${memoryMb.length} rounds, ${world.ours().length} orders, plugin ${memoryMb.join(", ")} MB`,
  );
  expect(memoryMb.at(-1)).toBeLessThan(settled + growthMb);
  expect([...othersAreLeftAlone(world), ...ratesAreKept(world)]).toEqual([]);
}, 600_000);
