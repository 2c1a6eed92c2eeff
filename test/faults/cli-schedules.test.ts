import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CliDriver } from "../support/faults/cli-driver.ts";
import { type SharedMachines, sharedMachines } from "../support/faults/machines.ts";
import { type Played, play } from "../support/faults/play.ts";
import { type Schedule, schedules } from "../support/faults/schedule.ts";
import { needs } from "../support/needs.ts";

// For looking into a failure only: what runs by itself always runs all of them.
const count = Number(process.env.CLORE_FAULT_SCHEDULES ?? 30);
const seed = Number(process.env.CLORE_FAULT_SEED ?? 20_261_121);
const lanes = Math.min(3, count);

describe.skipIf(needs("pulumi"))("through the real CLI", () => {
  let machines: SharedMachines;
  let played = 0;
  let cutShort = 0;
  beforeAll(async () => {
    machines = await sharedMachines();
  });
  afterAll(async () => {
    await machines[Symbol.asyncDispose]();
    console.log(`${played} random schedules through the CLI (${cutShort} commands cut short; seed ${seed})`);
  });

  test("no order is lost, doubled or unpaid for", { timeout: 1_200_000 }, async () => {
    const broken = await Promise.all(Array.from({ length: lanes }, (_, lane) => playLane(seed + lane)));
    expect(broken.filter((one) => one !== undefined).join("\n\n")).toBe("");
    // Schedules without a single kill would prove little.
    expect(cutShort).toBeGreaterThan(count / 10);
  });

  /** Gives the smallest schedule that breaks a promise, if one does. */
  async function playLane(laneSeed: number): Promise<string | undefined> {
    const promise = fc.asyncProperty(schedules(2, 2), async (schedule) => {
      const { problems, interrupted } = await playThroughCli(schedule);
      cutShort += interrupted;
      played++;
      if (problems.length > 0) throw new Error(problems.join("\n"));
    });
    const outcome = await fc.check(promise, { seed: laneSeed, numRuns: Math.ceil(count / lanes) });
    if (!outcome.failed) return undefined;
    const { counterexample, errorInstance, counterexamplePath } = outcome;
    return `seed ${laneSeed}, path ${counterexamplePath}\n${JSON.stringify(counterexample)}\n${errorInstance}`;
  }

  async function playThroughCli(schedule: Schedule): Promise<Played> {
    return play(schedule, { machines, driver: CliDriver.start });
  }
});
