import fc from "fast-check";
import type { FaultOptions } from "../../../src/emulator/faults.ts";
import type { Victim } from "./driver.ts";
import type { ServerSpec } from "./program.ts";

/** A fault as the emulator orders it. */
export interface OrderedFault {
  name: string;
  options: FaultOptions;
  /** Strikes the lines of the servers that run already, for so many real milliseconds or until the command ends. */
  running?: { ms: number | undefined };
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
  /** Faults that the last destroy outlives without a word. */
  atLast: readonly OrderedFault[];
}

/** What a line can be: before a login (a login takes some 2 kB from the host) and in the middle of a command. */
const lines: readonly { name: string; bytes?: number }[] = [
  { name: "ssh-refused" },
  { name: "ssh-reset" },
  { name: "ssh-no-banner" },
  { name: "ssh-cut", bytes: 1000 },
  { name: "ssh-cut", bytes: 3000 },
  { name: "ssh-half-open", bytes: 1000 },
  { name: "ssh-half-open", bytes: 3000 },
];

/** Faults that a renter meets and outlives. Each with what keeps a schedule short. */
const faults = fc.oneof(
  fault(3, ["success-then-cut", "create-500-after-success", "create-500", "code6-200", "code6-500"], 3),
  fault(2, ["currency-not-allowed", "server-already-rented", "server-offline", "not-enough-balance"], 3),
  fault(3, ["cut-before", "rate-limit-storm", "html-502", "html-403", "server-error"], 9),
  fault(2, ["empty-listing", "shrunken-listing"], 6),
  fault(3, ["cancel-ignored-once"], 2),
  fault(3, ["cancel-fails-then-works", "cancel-500-after-success"], 2),
  fault(2, ["delayed-visibility", "price-changed", "no-gpu", "wrong-gpu", "full-disk", "clock-skew"], 3),
  fault(1, ["stuck-container", "ssh-no-auth", "host-key-changed"], 3),
  fault(1, ["ssh-slow", "ssh-slow-line", "ssh-drop", "reboot", "killed-processes"], 9),
  fault(2, ["order-vanishes", "outbid"], 9),
  fault(1, ["slow-answer"], 9, { ms: 300 }),
  // A host that lets nobody in costs 15 real seconds before the next is tried.
  {
    weight: 1,
    arbitrary: badLine(fc.integer({ min: 1, max: 3 }).map((onCall) => ({ options: { onCall } }))),
  },
  {
    weight: 2,
    arbitrary: badLine(fc.constantFrom(200, 200, undefined).map((ms) => ({ options: {}, running: { ms } }))),
  },
);

/** @param latest the last matching call that it may strike: so many there are in most stories */
function fault(weight: number, names: readonly string[], latest: number, options: FaultOptions = {}) {
  const arbitrary = fc
    .record({ name: fc.constantFrom(...names), onCall: fc.integer({ min: 1, max: latest }) })
    .map(({ name, onCall }): OrderedFault => ({ name, options: { onCall, ...options } }));
  return { weight, arbitrary };
}

/** They make a destroy longer, and no more. */
const quietFaults = fc.oneof(
  fault(3, ["cancel-ignored-once", "cancel-fails-then-works", "cancel-500-after-success"], 2),
  fault(2, ["cut-before", "rate-limit-storm", "html-502", "server-error"], 9),
  fault(1, ["empty-listing", "shrunken-listing"], 6),
);

function badLine(where: fc.Arbitrary<Omit<OrderedFault, "name">>): fc.Arbitrary<OrderedFault> {
  return fc.record({ line: fc.constantFrom(...lines), where }).map(
    ({ line: { name, bytes }, where }): OrderedFault => ({
      ...where,
      name,
      options: { ...where.options, ...(bytes ? { bytes } : {}) },
    }),
  );
}

const spec = (name: string) =>
  fc.record(
    {
      name: fc.constant(name),
      image: fc.constantFrom("ours/one:1", "ours/two:2"),
      lease: fc.constantFrom("3h", "2d"),
      key: fc.constantFrom("key", "other-key"),
      spot: fc.boolean(),
      service: fc.boolean(),
    },
    { requiredKeys: ["name"] },
  ) as fc.Arbitrary<ServerSpec>;

/** Up to `most` servers; one is as likely as all other counts together. */
const servers = (most: number) =>
  fc
    .oneof(fc.constant(1), fc.integer({ min: 1, max: most }))
    .chain((count) => fc.tuple(...["a", "b", "c", "d"].slice(0, count).map(spec)));

const anyCommand = fc.oneof(
  { weight: 5, arbitrary: fc.constant("up" as const) },
  { weight: 2, arbitrary: fc.constant("refresh" as const) },
  { weight: 1, arbitrary: fc.constant("destroy" as const) },
);

const step = (most: number, command: fc.Arbitrary<Step["command"]> = anyCommand): fc.Arbitrary<Step> =>
  fc.record({
    command,
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

/**
 * What is played on one account: commands, faults and kills. It begins with an up: before it there is nothing.
 * @param most servers in one program
 */
export function schedules(most: number, mostSteps: number): fc.Arbitrary<Schedule> {
  const steps = fc
    .tuple(step(most, fc.constant("up")), fc.array(step(most), { maxLength: mostSteps - 1 }))
    .map(([first, rest]) => [first, ...rest]);
  return fc.record({
    seed: fc.integer({ min: 1, max: 1000 }),
    foreign: fc.constantFrom(0, 1),
    capUsd: fc.constantFrom(undefined, undefined, 3.5),
    steps,
    atLast: fc.array(quietFaults, { maxLength: 2 }),
  });
}
