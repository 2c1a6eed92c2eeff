import fc from "fast-check";
import type { FaultOptions } from "../../../src/emulator/faults.ts";
import type { Victim } from "./driver.ts";
import type { ServerSpec } from "./program.ts";

/** A fault as the emulator orders it. */
export interface OrderedFault {
  name: string;
  options: FaultOptions;
}

/** How a command is cut short, and how many points of its trace come before. */
export interface Interruption {
  who: Victim;
  after: number;
}

/** One command, the faults that wait for it, and how it is cut short. */
export interface Step {
  command: "up" | "refresh" | "destroy";
  /** The program from here on, for an up. */
  servers: readonly ServerSpec[];
  faults: readonly OrderedFault[];
  interruption: Interruption | undefined;
}

export interface Schedule {
  seed: number;
  /** Orders of others on the account. */
  foreign: number;
  /** `clore:maxActivePricePerDay`. */
  capUsd: number | undefined;
  steps: readonly Step[];
}

/** Faults that a renter meets and outlives. Each with what keeps a schedule short. */
const faults = fc.oneof(
  fault(3, ["success-then-cut", "create-500-after-success", "create-500", "code6-200", "code6-500"]),
  fault(2, ["currency-not-allowed", "server-already-rented", "server-offline", "not-enough-balance"]),
  fault(3, ["cut-before", "rate-limit-storm", "html-502", "html-403", "server-error"]),
  fault(2, ["empty-listing", "shrunken-listing"]),
  fault(3, ["cancel-ignored-once", "cancel-fails-then-works", "cancel-500-after-success"]),
  fault(2, ["delayed-visibility", "price-changed", "no-gpu", "wrong-gpu", "full-disk", "clock-skew"]),
  fault(1, ["stuck-container", "ssh-no-auth", "host-key-changed"]),
  fault(1, ["ssh-slow", "ssh-slow-line", "ssh-drop", "reboot", "killed-processes"]),
  fault(2, ["order-vanishes", "outbid"]),
  fault(1, ["slow-answer"], { ms: 300 }),
);

function fault(weight: number, names: readonly string[], options: FaultOptions = {}) {
  const arbitrary = fc
    .record({ name: fc.constantFrom(...names), onCall: fc.integer({ min: 1, max: 6 }) })
    .map(({ name, onCall }): OrderedFault => ({ name, options: { onCall, ...options } }));
  return { weight, arbitrary };
}

const spec = (name: string) =>
  fc.record(
    {
      name: fc.constant(name),
      image: fc.constantFrom("ours/one:1", "ours/two:2"),
      lease: fc.constantFrom("3h", "2d"),
      key: fc.constantFrom("key", "other-key"),
      spot: fc.boolean(),
      service: fc.integer({ min: 0, max: 9 }).map((one) => one === 9), // takes as long as all the rest
    },
    { requiredKeys: ["name"] },
  ) as fc.Arbitrary<ServerSpec>;

/** Up to `most` servers; one is as likely as all other counts together. */
const servers = (most: number) =>
  fc
    .oneof(fc.constant(1), fc.integer({ min: 1, max: most }))
    .chain((count) => fc.tuple(...["a", "b", "c", "d"].slice(0, count).map(spec)));

const step = (most: number): fc.Arbitrary<Step> =>
  fc.record({
    command: fc.oneof(
      { weight: 5, arbitrary: fc.constant("up" as const) },
      { weight: 2, arbitrary: fc.constant("refresh" as const) },
      { weight: 1, arbitrary: fc.constant("destroy" as const) },
    ),
    servers: servers(most),
    faults: fc.array(faults, { maxLength: 2 }),
    interruption: fc.option(
      fc.record({
        who: fc.constantFrom("engine" as const, "plugin" as const, "ctrl-c" as const),
        after: fc.integer({ min: 0, max: 24 }),
      }),
      { nil: undefined, freq: 3 },
    ),
  });

/** What is played on one account: commands, faults and kills. @param most servers in one program */
export function schedules(most: number, mostSteps: number): fc.Arbitrary<Schedule> {
  return fc.record({
    seed: fc.integer({ min: 1, max: 1000 }),
    foreign: fc.constantFrom(0, 1),
    capUsd: fc.constantFrom(undefined, undefined, 3.5),
    steps: fc.array(step(most), { minLength: 1, maxLength: mostSteps }),
  });
}
