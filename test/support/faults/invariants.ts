import { nameOf } from "./engine.ts";
import { speed, type World } from "./world.ts";

/** What must hold when a command has ended well: every live order is in the state, and the state names no other. */
export function stateIsReality(world: World): string[] {
  const live = world.live().map((order) => order.orderId);
  const recorded = [...world.driver.recorded().values()];
  return [
    ...live.filter((id) => !recorded.includes(id)).map((id) => `order ${id} bills and is in no state`),
    ...recorded.filter((id) => !live.includes(id)).map((id) => `order ${id} is in the state and gone`),
  ];
}

/** What must hold at the end of every story: nothing of ours bills. */
export function nothingBills(world: World): string[] {
  return world.live().map((order) => `order ${order.orderId} on server ${order.serverId} still bills`);
}

/** What must hold when a destroy has failed by itself: the error names what still bills, or the state keeps it. */
export function whatIsLeftIsNamed(world: World, errors: readonly string[]): string[] {
  const recorded = new Set(world.driver.recorded().values());
  const said = errors.join("\n");
  const isNamed = (what: string) => new RegExp(`\\b${what}\\b`).test(said);
  return world
    .live()
    .filter(
      ({ orderId, serverId }) =>
        !recorded.has(orderId) && !isNamed(`order ${orderId}`) && !isNamed(`server ${serverId}`),
    )
    .map(
      ({ orderId, serverId }) =>
        `order ${orderId} on server ${serverId} bills, and the error does not name it: ${said}`,
    );
}

/** Whatever is killed when: the ledger knew of an order before it was made. */
export function everyOrderIsWrittenDown(world: World): string[] {
  const unknown = world.peaks.flatMap(({ byUrn }) => [...byUrn].filter(([urn]) => !urn.startsWith("urn:")));
  return [
    ...new Set(
      unknown.map(
        ([nobodys, orders]) => `order ${orders.join(", ")} is ${nobodys}: the ledger did not name it`,
      ),
    ),
  ];
}

/** Orders of others on the account are never touched. */
export function othersAreLeftAlone(world: World): string[] {
  return world.emulator
    .ledger()
    .orders.filter((order) => world.foreign.has(order.orderId) && order.why === "cancelled")
    .map((order) => `order ${order.orderId}, which is somebody else's, was ${order.why}`);
}

/** A Server has one order; while it is replaced, two. @param mayBeReplaced names of Servers */
export function nothingIsRentedTwice(world: World, mayBeReplaced: ReadonlySet<string>): string[] {
  const most = new Map<string, readonly number[]>();
  for (const { byUrn } of world.peaks) {
    for (const [urn, orders] of byUrn)
      if (orders.length > (most.get(urn)?.length ?? 0)) most.set(urn, orders);
  }
  return [...most]
    .filter(([urn, orders]) => orders.length > (mayBeReplaced.has(nameOf({ urn })) ? 2 : 1))
    .map(([urn, orders]) => `${nameOf({ urn })} had the orders ${orders.join(", ")} at once`);
}

/** The cap on what all orders of the account cost together. */
export function spendIsUnder(capUsd: number, world: World): string[] {
  const most = Math.max(0, ...world.peaks.map(({ usdPerDay }) => usdPerDay));
  return most > capUsd * 1.0001 ? [`${most.toFixed(2)} USD per day, and the cap is ${capUsd}`] : [];
}

/**
 * One request a second and one create in five, of emulated time, over any stretch. What a busy machine delays may
 * arrive close together: so much real time is forgiven, in milliseconds.
 */
export function ratesAreKept(world: World, forgivenMs = 400): string[] {
  const { arrivals } = world.tap;
  const creates = arrivals.filter(({ path }) => path === "create_order");
  return [
    ...tooFast(arrivals, 1000 / speed, forgivenMs).map(
      (ahead) => `requests are ${ahead} ms ahead of their pace`,
    ),
    ...tooFast(creates, 5000 / speed, forgivenMs).map(
      (ahead) => `creates are ${ahead} ms ahead of their pace`,
    ),
  ];
}

function tooFast(arrivals: readonly { at: number }[], everyMs: number, forgivenMs: number): number[] {
  let due = 0;
  let ahead = 0;
  for (const { at } of arrivals) {
    ahead = Math.max(ahead, due - at);
    due = Math.max(due, at) + everyMs;
  }
  return ahead > forgivenMs ? [Math.round(ahead)] : [];
}
