import { setTimeout as delay } from "node:timers/promises";
import { nameOf, type Run } from "./engine.ts";
import {
  everyOrderIsWrittenDown,
  nothingBills,
  nothingIsRentedTwice,
  othersAreLeftAlone,
  ratesAreKept,
  spendIsUnder,
  stateIsReality,
  whatIsLeftIsNamed,
} from "./invariants.ts";
import type { Interruption, OrderedFault, Schedule, Step } from "./schedule.ts";
import { World, type WorldOptions } from "./world.ts";

const foreignUsd = 9;
/** Beside lines, which are well again before the last destroy. */
const forGood: ReadonlySet<string> = new Set(["ssh-no-auth", "stuck-container"]);

export interface Played {
  /** Every promise that was broken. */
  problems: string[];
  /** Commands that were cut short. */
  interrupted: number;
}

/** Plays a schedule through the real plugin on an account of its own. */
export async function play(
  schedule: Schedule,
  options: Pick<WorldOptions, "machines" | "driver">,
): Promise<Played> {
  const { foreign, seed } = schedule;
  const capUsd = schedule.capUsd && schedule.capUsd + foreign * foreignUsd;
  await using world = await World.start({
    ...options,
    seed,
    foreign,
    config: capUsd ? { maxActivePricePerDay: String(capUsd) } : {},
  });
  const problems: string[] = [];
  let interrupted = 0;
  for (const [index, step] of schedule.steps.entries()) {
    const { run, struck } = await take(world, step);
    if (struck) interrupted++;
    problems.push(...afterStep(world, step, run, struck).map((problem) => `step ${index + 1}: ${problem}`));
    if (run.killed) await world.driver.unlock();
  }
  problems.push(
    ...(await endsWithNothing(world, schedule)),
    ...othersAreLeftAlone(world),
    ...nothingIsRentedTwice(world, replacedIn(schedule)),
    ...everyOrderIsWrittenDown(world),
    ...(capUsd ? spendIsUnder(capUsd, world) : []),
    ...ratesAreKept(world),
  );
  return { problems, interrupted };
}

async function take(world: World, step: Step): Promise<{ run: Run; struck: boolean }> {
  const { interruption, servers, command } = step;
  world.trace.begin(interruption && { point: interruption.after, run: () => interrupt(world, interruption) });
  const healed: Promise<void>[] = [];
  const over = new AbortController();
  for (const fault of step.faults) {
    if (fault.running) healed.push(spoilLines(world, fault, over.signal));
    else await world.emulator.faults.order(fault.name, fault.options);
  }
  const run = await (command === "up" ? world.driver.up(servers) : world.driver[command]());
  const { struck } = world.trace;
  over.abort();
  // A create that a killed plugin has sent arrives within the minute that the next one looks for it; here, on a busy
  // machine, that minute may be over.
  await world.tap.settled();
  await Promise.all(healed);
  world.emulator.faults.clear();
  world.trace.begin();
  return { run, struck };
}

/** Spoils the lines of our servers that run now. Gives what resolves when they are well again. */
async function spoilLines(
  world: World,
  { name, options, running }: OrderedFault,
  over: AbortSignal,
): Promise<void> {
  const orders = world.live().map(({ orderId }) => orderId);
  for (const orderId of orders) await world.emulator.faults.order(name, { ...options, orderId });
  await delay(running?.ms ?? 600_000, undefined, { signal: over }).catch(() => {});
  for (const orderId of orders) await world.emulator.faults.order("ssh-well", { orderId });
}

function interrupt(world: World, { who, after }: Interruption): Promise<void> | undefined {
  const gone = world.driver.strike(who);
  // Every other orphan meets a silent API; the others go on as if nothing had happened, until they notice.
  return who === "engine" && after % 2 === 0 ? gone : undefined;
}

/** What holds after a command that ended well. A host may take an order away at any moment: that shows in a refresh. */
function afterStep(world: World, step: Step, run: Run, struck: boolean): string[] {
  if (!run.ok) {
    if (struck) return [];
    if (run.errors.length === 0) return ["failed without a word"];
    return step.command === "destroy" ? whatIsLeftIsNamed(world, run.errors) : [];
  }
  if (step.command === "up") return [...whatIsWantedIsRecorded(world, step), ...isAsWanted(world, step)];
  if (step.command === "refresh") {
    const mayVanish = step.faults.some(({ name }) => name === "order-vanishes");
    // Orders that no state names yet are the next up's to find; what the state names must be there.
    return mayVanish ? [] : stateIsReality(world).filter((problem) => problem.endsWith("gone"));
  }
  return nothingBills(world);
}

/**
 * Every live order is in the state. What a killed create has left of a server that the program has dropped since is
 * the key's to give back, when that goes: Pulumi asks nobody about it.
 */
function whatIsWantedIsRecorded(world: World, { servers }: Step): string[] {
  const recorded = new Set(world.driver.recorded().values());
  const dropped = (urn: string) =>
    urn.startsWith("urn:") && !servers.some(({ name }) => name === nameOf({ urn }));
  return [...world.liveByUrn()]
    .filter(([urn]) => !dropped(urn))
    .flatMap(([, orders]) => orders)
    .filter(({ orderId }) => !recorded.has(orderId))
    .map(({ orderId }) => `order ${orderId} bills and is in no state`);
}

/** What runs is what the program asks for, whoever had ordered it. */
function isAsWanted(world: World, { servers }: Step): string[] {
  const live = new Map(world.live().map((order) => [order.orderId, order]));
  return servers.flatMap(({ name, image = "cloreai/jupyter:ubuntu24.04-v2", spot = false }) => {
    const order = live.get(world.driver.recorded().get(name) ?? 0);
    const market = spot ? "spot" : "on-demand";
    if (!order) return [];
    return order.image === image && order.market === market
      ? []
      : [`${name} runs ${order.image} (${order.market}), wanted ${image} (${market})`];
  });
}

/** A destroy ends with nothing, or with an error that names what is left; on a well service it ends with nothing. */
async function endsWithNothing(world: World, { steps, atLast }: Schedule): Promise<string[]> {
  for (const { name, options } of atLast) await world.emulator.faults.order(name, options);
  for (const { orderId } of world.live()) await world.emulator.faults.order("ssh-well", { orderId });
  let { ok, errors } = await world.driver.destroy();
  const isUnproven = () => !ok && errors.every((error) => error.includes("rental.unproven"));
  if (isUnproven()) {
    // Whose an order is that a command cut short has left, its host says once it is up: for that the emulated minute is
    // short on a busy machine. One that lets nobody in for good never does. Either way the error names it.
    const unnamed = whatIsLeftIsNamed(world, errors);
    if (unnamed.length > 0) return unnamed;
    ({ ok, errors } = await world.driver.destroy());
    const nobodyGetsIn = steps.some(({ faults }) => faults.some(({ name }) => forGood.has(name)));
    if (isUnproven() && nobodyGetsIn) return whatIsLeftIsNamed(world, errors);
  }
  if (!ok) return [`the last destroy failed: ${errors.join("; ")}`];
  const left = world.driver.left().map((urn) => `${urn} is left in the state`);
  return [...nothingBills(world), ...left];
}

/** Servers that the schedule's programs replace: those whose image, market or key changes on the way. */
function replacedIn({ steps }: Schedule): Set<string> {
  const forms = new Map<string, Set<string>>();
  for (const { servers } of steps) {
    for (const { name, image, spot, key } of servers) {
      const seen = forms.get(name) ?? new Set();
      forms.set(name, seen.add(JSON.stringify([image, spot ?? false, key ?? "key"])));
    }
  }
  return new Set([...forms].filter(([, seen]) => seen.size > 1).map(([name]) => name));
}
