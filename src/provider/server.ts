import { randomBytes } from "node:crypto";
import { CloreError } from "../core/errors.ts";
import { formatSeconds } from "../cost/duration.ts";
import { formatUsd, perHour } from "../cost/price.ts";
import { readFacts } from "../host/facts.ts";
import { HOST_FOLDER, leaveHost } from "../host/layout.ts";
import { type AcquireIo, type AcquireRequest, acquire } from "../rental/acquire.ts";
import { activeUsd } from "../rental/active.ts";
import type { LiveServer } from "../rental/bring-up.ts";
import { keepCapForBid, readActive, refuseOverCap } from "../rental/budget.ts";
import type { Choice } from "../rental/choose.ts";
import { otherAccount, presenceOf } from "../rental/orders.ts";
import { atPrice, type RentalRecord } from "../rental/record.ts";
import { release } from "../rental/release.ts";
import { bidOwn, type SpotIo, takeBack } from "../rental/spot.ts";
import { tryHost } from "../rental/try-host.ts";
import { UnfinishedRental } from "../rental/unfinished.ts";
import { findFor, whose } from "../rental/whose.ts";
import type { SshTarget } from "../ssh/types.ts";
import type { Call, Handler } from "./handler.ts";
import { InitFailure } from "./rpc/failures.ts";
import { acquireIo, acquireRequest, chooseFor } from "./server-acquire.ts";
import { serverChanges } from "./server-changes.ts";
import { importOrder, isImported } from "./server-import.ts";
import { type ServerInputs, serverInputs, serverRules } from "./server-inputs.ts";
import { adoptLeftBehind } from "./server-left-behind.ts";
import { offeredBy, offeredOf } from "./server-offered.ts";
import {
  existingState,
  rentedState,
  type ServerState,
  standingState,
  steadyFacts,
  unfinishedState,
} from "./server-state.ts";

/** A machine that was reached and verified: rented, or an existing host. */
export const server: Handler<ServerInputs, ServerState> = {
  inputs: serverInputs,
  rules: serverRules,
  complete: (inputs, plugin) =>
    inputs.address === undefined && inputs.lease === undefined && plugin?.defaultLease !== undefined
      ? { ...inputs, lease: plugin.defaultLease }
      : inputs,
  notice: (known, { claims, ledger }) => known.rental && claims.recorded(known.rental, ledger),
  openInputs: ["env", "command"],
  secretOutputs: ["connection"],
  changes: ({ inputs, state }, want) => serverChanges(inputs, state, want),

  async preview(want, call) {
    if (want.address !== undefined) return { kind: "existing" };
    const choice = await chooseFor(want, call);
    const [first] = choice.ranked;
    if (!first) return {};
    await keepCapInPreview(choice, first.pricePerDayUsd, call);
    call.log.info(
      `would rent #${first.serverId} at ${formatUsd(first.pricePerDayUsd)}/day (${formatUsd(perHour(first.pricePerDayUsd))}/h), ready in about ${formatSeconds(first.secondsToReady)}: ${choice.because(first)}; ${choice.funnel}`,
    );
    return { kind: "rented" };
  },

  async create(want, call) {
    const id = `${want.address === undefined ? "rented" : "host"}-${randomBytes(4).toString("hex")}`;
    return { id, state: await ensure(id, want, undefined, call) };
  },

  update: (id, want, known, call) => ensure(id, want, known, call),

  async read(id, known, inputs, call) {
    if (!known || !inputs) return importOrder(id, call);
    if (known.kind === "existing") return { inputs, state: await lookAgain(known, call) };
    const orderId = known.orderId;
    if (orderId === undefined) return { inputs, state: known };
    const account = call.plugin.account();
    const seen = await presenceOf(
      { account, serverId: 0, ...known.rental, orderId },
      { clore: call.plugin.clore, account, signal: call.signal },
    );
    if (seen.is === "unknown") {
      throw new CloreError("rental.unknown", {
        message: `whether order ${orderId} still exists cannot be told`,
        seen: seen.seen,
        hint: "the state is kept as it is; run it again later",
        retry: "later",
      });
    }
    if (seen.is === "ended") {
      call.log.warn(`order ${orderId} on server ${known.serverId} is gone: the next up rents another`);
      if (known.rental) call.plugin.ledger.conclude(known.rental.intentId, { outcome: "ended" });
      return undefined;
    }
    if (seen.order.market === "spot" && !seen.order.containerUp && known.connection) {
      call.log.warn(
        `order ${orderId} was outbid: the next up bids again within maxPricePerDay, or rents another`,
      );
      return { inputs, state: { ...known, reachable: false } };
    }
    return { inputs, state: await lookAgain(known, call) };
  },

  async remove(id, known, call) {
    if (known.kind === "existing") return letGo(known, call);
    if (!known.rental) return;
    if (known.orderId !== undefined && call.plugin.claims.hasPassedOn(known.orderId, id)) {
      call.log.info(`order ${known.orderId} goes on: the new resource has taken it over`);
      return;
    }
    // Outputs carry the inputs: the key is there without asking anybody.
    const { privateKey } = (known as ServerState & ServerInputs).sshKey ?? {};
    const { signal, log } = call;
    const isOwn = (owner: string) => owner === call.urn;
    await release(known.rental, "destroyed", {
      ...call.plugin,
      account: call.plugin.account(),
      log,
      signal,
      async whose(order) {
        return privateKey === undefined
          ? "unknown"
          : whose(order, privateKey, isOwn, { ...call.plugin, signal });
      },
    });
  },
};

/** Observe, decide, act, verify: for create, update and for going on after an interruption. */
async function ensure(
  id: string,
  want: ServerInputs,
  known: ServerState | undefined,
  call: Call,
): Promise<ServerState> {
  if (want.address !== undefined) return reachExisting(want, want.address, call);
  const io = acquireIo(call);
  const request = acquireRequest(want, call, known);
  let offered = known?.offered;
  const { claims } = call.plugin;
  try {
    if (known?.rental) {
      const record = await stillThere(id, known.rental, want, known.connection !== undefined, io);
      const outcome = record && (await tryHost(record, { ...request, ...keptAsItIs(known) }, io));
      if (outcome && "live" in outcome) return handedOver(outcome.live);
      call.log.warn(
        outcome
          ? `server ${known.serverId}: ${outcome.failed}; renting another`
          : `order ${known.orderId} is gone: renting another`,
      );
      request.hostKey = undefined;
    }
    const adopted = await adoptLeftBehind(id, want.market ?? "on-demand", request, io, call);
    if (adopted) {
      offered = await offeredBy(adopted.record, call);
      return handedOver(adopted);
    }
    const choice = await chooseFor(want, call);
    const live = await acquire(choice, request, io);
    offered = offeredOf(choice.ranked.find((offer) => offer.serverId === live.record.serverId));
    return handedOver(live);
  } catch (error) {
    if (!(error instanceof UnfinishedRental)) throw error;
    claims.handOver(error.record);
    // What was known of a server that still stands is true: an update that failed is no reason to forget it.
    const stands = known?.connection !== undefined && known.orderId === error.record.orderId;
    const state = stands ? standingState(known, error.record) : unfinishedState(error.record, offered);
    throw new InitFailure(id, state, error);
  }

  function handedOver(live: LiveServer): ServerState {
    claims.handOver(live.record);
    const { serverId, pricePerDayUsd, market } = live.record;
    const { gpus, os } = live.facts;
    const what = [...gpus.map(({ name }) => name), os.prettyName, ...(market === "spot" ? ["spot"] : [])];
    call.log.status(`ready: #${serverId} at ${formatUsd(pricePerDayUsd)}/day, ${what.join(", ")}`);
    return rentedState(live, want, offered);
  }
}

/**
 * Limits for an order that is recorded: whoever changes a lease has not asked for another server. What a refresh saw
 * unreachable may be replaced, and the preview shows that; an imported order that was never entered may not.
 */
function keptAsItIs({ connection, reachable, rental }: ServerState): Partial<AcquireRequest> {
  const wasUp = connection !== undefined && reachable;
  if (!wasUp && !(rental && isImported(rental))) return {};
  const hint = connection
    ? "it was kept, for it was up: `pulumi up --refresh` replaces it if it still cannot be reached, `pulumi destroy` gives it back"
    : "it was kept: give the Server the key that the order was made with (sshKey), or `pulumi destroy` gives it back";
  return { kept: hint, maxPricePerDayUsd: undefined };
}

/** What other servers of the same preview would cost counts too. */
async function keepCapInPreview(choice: Choice, pricePerDayUsd: number, call: Call): Promise<void> {
  const { planned, maxActivePricePerDayUsd: capUsd, hasKey } = call.plugin;
  planned.delete(call.urn);
  if (capUsd === undefined || !hasKey) return;
  const active = await readActive(choice.orders, acquireIo(call));
  const { usd, unlistedUsd } = activeUsd(active().counted, choice.usdPerUnit);
  const others = [...planned.values()].reduce((sum, one) => sum + one, 0);
  refuseOverCap(capUsd, { usd: usd + others, unlistedUsd }, pricePerDayUsd);
  planned.set(call.urn, pricePerDayUsd);
}

/**
 * The record with what a look at the orders adds, and with the bid that is wanted now; undefined when the order is
 * gone, never was, or was outbid beyond the cap.
 */
async function stillThere(
  id: string,
  record: RentalRecord,
  want: ServerInputs,
  wasUp: boolean,
  io: AcquireIo,
): Promise<RentalRecord | undefined> {
  if (record.orderId === undefined) return foundAgain(id, record, io);
  const seen = await presenceOf({ ...record, orderId: record.orderId }, io).catch((error: unknown) => {
    const isForeign = error instanceof CloreError && error.code === "rental.other-account";
    throw isForeign ? new UnfinishedRental(record, error, error.hint) : error;
  });
  if (seen.is === "unknown") {
    throw new UnfinishedRental(
      record,
      new CloreError("rental.unknown", { message: seen.seen, retry: "later" }),
    );
  }
  if (seen.is === "ended") {
    io.ledger.conclude(record.intentId, { outcome: "ended" });
    return undefined;
  }
  const { orderId } = record;
  const live = { ...atPrice(record, seen.order.pricePerDay), orderId, account: io.account };
  if (record.market !== "spot" || !record.certain) return live;
  const spot: SpotIo = { ...io, keepCap: (id, bidUsd) => keepCapForBid(id, bidUsd, io) };
  if (wasUp && !seen.order.containerUp) {
    const { bidPricePerDay: bidPerDayUsd, maxPricePerDay: maxPricePerDayUsd } = want;
    const raised = await takeBack(live, { bidPerDayUsd, maxPricePerDayUsd }, spot);
    if (!raised) await release(record, "outbid", io);
    return raised;
  }
  return want.bidPricePerDay === undefined ? live : bidOwn(live, want.bidPricePerDay, spot);
}

/** The order that a create has perhaps made: only perhaps ours, until the key has opened it. */
async function foundAgain(
  id: string,
  record: RentalRecord,
  io: AcquireIo,
): Promise<RentalRecord | undefined> {
  const order = await findFor(record, { ...io, limitMs: 25 * (io.pollMs ?? 1000) });
  const isFree = order !== undefined && io.claims?.adopt(order.orderId, id) !== false;
  if (!isFree) {
    const foreign = otherAccount(record);
    if (record.account !== io.account) throw new UnfinishedRental(record, foreign, foreign.hint);
    io.ledger.conclude(record.intentId, { outcome: "absent" });
    return undefined;
  }
  const { orderId, createdAt } = order;
  io.ledger.conclude(record.intentId, { outcome: "order", orderId, certain: false });
  return { ...record, orderId, certain: false, createdAt: createdAt.toISOString() };
}

async function reachExisting(want: ServerInputs, address: string, call: Call): Promise<ServerState> {
  const target: SshTarget = {
    address,
    port: want.port ?? 22,
    user: want.user ?? "root",
    privateKey: want.sshKey.privateKey,
    hostKey: want.hostKey,
  };
  call.log.status(`connecting to ${target.address}:${target.port}`);
  await using ssh = await call.plugin.ssh.acquire(target, { deadlineMs: 60_000, signal: call.signal });
  const facts = await readFacts(ssh, { signal: call.signal });
  return existingState({ ...target, hostKey: ssh.hostKey }, facts);
}

/** A host of one's own goes on without us. Where it lets nobody in, what lies there is no reason to keep it in the state. */
async function letGo({ connection }: ServerState, call: Call): Promise<void> {
  if (!connection) return;
  try {
    await using ssh = await call.plugin.ssh.acquire(connection, { deadlineMs: 20_000, signal: call.signal });
    await leaveHost(ssh, { signal: call.signal });
  } catch (error) {
    call.signal.throwIfAborted();
    if (!(error instanceof CloreError)) throw error;
    call.log.warn(`~/${HOST_FOLDER} may be left on ${connection.address}: ${error.code}: ${error.message}`);
  }
}

/** One look over SSH. A host that does not let us in is no error here: it may be back at the next up. */
async function lookAgain(known: ServerState, call: Call): Promise<ServerState> {
  if (!known.connection) return known;
  try {
    await using ssh = await call.plugin.ssh.acquire(known.connection, {
      deadlineMs: 20_000,
      signal: call.signal,
    });
    const facts = await readFacts(ssh, { signal: call.signal });
    return { ...known, facts: steadyFacts(known.facts, facts), reachable: true };
  } catch (error) {
    call.signal.throwIfAborted();
    if (!(error instanceof CloreError)) throw error;
    call.log.warn(`${error.code}: ${error.message}`);
    return { ...known, reachable: false };
  }
}
