import type { Run } from "./engine.ts";
import {
  nothingBills,
  nothingIsRentedTwice,
  othersAreLeftAlone,
  ratesAreKept,
  spendIsUnder,
  stateIsReality,
} from "./invariants.ts";
import type { Interruption, Schedule, Step } from "./schedule.ts";
import { World, type WorldOptions } from "./world.ts";

const foreignUsd = 9;

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
    problems.push(...afterStep(world, step, run).map((problem) => `step ${index + 1}: ${problem}`));
    if (run.killed) await world.driver.unlock();
  }
  problems.push(
    ...(await endsWithNothing(world)),
    ...othersAreLeftAlone(world),
    ...nothingIsRentedTwice(world, replacedIn(schedule)),
    ...(capUsd ? spendIsUnder(capUsd, world) : []),
    ...ratesAreKept(world),
  );
  return { problems, interrupted };
}

async function take(world: World, step: Step): Promise<{ run: Run; struck: boolean }> {
  const { interruption, servers, command } = step;
  world.trace.begin(interruption && { point: interruption.after, run: () => interrupt(world, interruption) });
  for (const { name, options } of step.faults) await world.emulator.faults.order(name, options);
  const run = await (command === "up" ? world.driver.up(servers) : world.driver[command]());
  const { struck } = world.trace;
  world.emulator.faults.clear();
  world.trace.begin();
  return { run, struck };
}

function interrupt(world: World, { who, after }: Interruption): Promise<void> | undefined {
  const gone = world.driver.strike(who);
  // Every other orphan meets a silent API; the others go on as if nothing had happened, until they notice.
  return who === "engine" && after % 2 === 0 ? gone : undefined;
}

/** What holds after a command that ended well. A host may take an order away at any moment: that shows in a refresh. */
function afterStep(world: World, step: Step, run: Run): string[] {
  if (!run.ok)
    return run.errors.length > 0 || run.killed || step.interruption ? [] : ["failed without a word"];
  const unlike = stateIsReality(world);
  if (step.command === "up") {
    return [...unlike.filter((problem) => problem.endsWith("in no state")), ...isAsWanted(world, step)];
  }
  if (step.command === "refresh") {
    const mayVanish = step.faults.some(({ name }) => name === "order-vanishes");
    // Orders that no state names yet are the next up's to find; what the state names must be there.
    return mayVanish ? [] : unlike.filter((problem) => problem.endsWith("gone"));
  }
  return nothingBills(world);
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
async function endsWithNothing(world: World): Promise<string[]> {
  const destroyed = await world.driver.destroy();
  if (!destroyed.ok) return [`the last destroy failed: ${destroyed.errors.join("; ")}`];
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
