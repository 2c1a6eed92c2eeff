import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Order } from "../clore/types.ts";
import { counted } from "../core/counted.ts";
import { CloreError, InputError } from "../core/errors.ts";
import { stateDirectory } from "../core/state-directory.ts";
import { formatSeconds } from "../cost/duration.ts";
import { formatUsd } from "../cost/price.ts";
import { type Account, openAccount } from "./account.ts";
import type { Command, CommandIo } from "./command.ts";
import { Problems, readFlags } from "./flags.ts";
import { type FleetOrder, fleetOf, readStacks } from "./fleet.ts";
import { giveBack } from "./give-back.ts";
import { table } from "./table.ts";

const usage = `clore sweep [--cancel] [--max N] [--grace TIME] [--keep ID …] [--keep-file FILE] [--json]

Live orders that nobody owns: no stack of the Pulumi backend names them, and no run of this
machine is renting them. Shows them with age, price and why; cancels nothing without --cancel.

  --cancel          cancel them, and read until they are gone
  --max N           refuse to cancel anything when there are more than N (default 3)
  --grace TIME      leave younger ones alone: a create elsewhere may be under way (default 30m, and
                    any age while a stack's state shows that a server is being made)
  --keep ID         never touch this order; can be given several times
  --keep-file FILE  order ids, one a line, # for comments (default: the file "keep" in CLORE_HOME)
  --json            for programs

Refuses when the orders cannot be read twice with the same result, when the backend cannot be
read whole, and when it has no stack at all. Orders of a second backend look like nobody's here
(unless this machine rented them): keep one backend a key, or use --keep.

Needs CLORE_API_KEY and the pulumi CLI, logged in to the backend.`;

const usualGraceMs = 30 * 60_000;

interface Wanted {
  cancel: boolean;
  max: number;
  /** Undefined where nothing was said. */
  graceMs: number | undefined;
  keep: readonly number[];
  json: boolean;
}

/** `clore sweep`: finds, and with --cancel ends, what bills for nobody. */
export const command: Command = {
  name: "sweep",
  summary: "find and cancel orders that nobody owns",
  usage,
  async run(argv, io) {
    const wanted = read(argv, stateDirectory(io.env));
    using account = openAccount(io);
    const found = await findStrays(wanted, account, io);
    if (wanted.cancel && found.strays.length > wanted.max) throw tooMany(found.strays, wanted.max);
    const cancelled = wanted.cancel ? await cancelAll(found.strays, account, io) : [];
    report(found, cancelled, wanted, io);
    return cancelled.some(({ error }) => error !== undefined) ? 1 : 0;
  },
};

interface Found {
  strays: readonly FleetOrder[];
  spared: readonly { one: FleetOrder; why: string }[];
  listed: number;
  stacks: number;
}

async function findStrays(wanted: Wanted, account: Account, io: CommandIo): Promise<Found> {
  const before = await account.clore.myOrders({}, io.signal);
  const backend = await readStacks(io);
  if (backend.stacks.length === 0) {
    throw new CloreError("sweep.empty-backend", {
      message: "the Pulumi backend has no stack, so every order would look like nobody's",
      hint: "log in to the backend that your stacks are in (pulumi login, PULUMI_BACKEND_URL)",
    });
  }
  const orders = await account.clore.myOrders({}, io.signal);
  refuseUnclear(before, orders);
  const fleet = await fleetOf(orders, backend, account);
  const nobodys = fleet.filter(({ owner }) => owner?.by === "nobody");
  const spared = nobodys.flatMap((one) => {
    const why = spareWhy(one, wanted);
    return why === undefined ? [] : [{ one, why }];
  });
  const strays = nobodys.filter((one) => !spared.some((kept) => kept.one === one));
  return { strays, spared, listed: fleet.length, stacks: backend.stacks.length };
}

/** An empty listing proves nothing, and one that another contradicts neither. */
function refuseUnclear(first: readonly Order[], second: readonly Order[]): void {
  const ids = (orders: readonly Order[]) =>
    orders.flatMap(({ orderId, expired }) => (expired ? [] : [orderId])).toSorted();
  const [one, other] = [ids(first), ids(second)];
  if (one.length > 0 && one.join() === other.join()) return;
  const empty = one.length === 0 && other.length === 0;
  throw new CloreError("sweep.unclear-listing", {
    message: empty
      ? "the service lists no orders: there is nothing to sweep, or the listing is not to be trusted"
      : "two readings of the orders do not agree",
    seen: `${one.length} orders, then ${other.length}`,
    hint: "run it again in a minute; nothing was cancelled",
    retry: "later",
  });
}

function spareWhy({ order, owner, ageMs }: FleetOrder, { keep, graceMs }: Wanted): string | undefined {
  if (keep.includes(order.orderId)) return "on the keep-list";
  // A create with a trial can take longer than any grace that could be guessed.
  if (graceMs === undefined && owner?.by === "nobody" && owner.mayBeUnderWay)
    return "it may be under way: --grace says how long that can take";
  const atLeastMs = graceMs ?? usualGraceMs;
  if (ageMs < atLeastMs) return `younger than ${formatSeconds(atLeastMs / 1000)}`;
  return undefined;
}

function tooMany(strays: readonly FleetOrder[], max: number): CloreError {
  return new CloreError("sweep.too-many", {
    message: `${strays.length} orders look like nobody's, more than --max ${max}: nothing was cancelled`,
    seen: strays.map(({ order }) => order.orderId).join(", "),
    hint: "so many at once is more likely a wrong backend: look at them without --cancel, then raise --max",
  });
}

interface Cancelled {
  orderId: number;
  error: CloreError | undefined;
}

async function cancelAll(
  strays: readonly FleetOrder[],
  account: Account,
  io: CommandIo,
): Promise<Cancelled[]> {
  const results: Cancelled[] = [];
  for (const { order, pricePerDayUsd, owner } of strays) {
    const entry = owner?.by === "nobody" ? owner.entry : undefined;
    let failed: CloreError | undefined;
    try {
      await giveBack(
        order,
        pricePerDayUsd,
        { reason: "swept: nobody owned it", by: "clore sweep", entry },
        account,
      );
    } catch (error) {
      io.signal.throwIfAborted();
      if (!(error instanceof CloreError)) throw error;
      failed = error;
    }
    results.push({ orderId: order.orderId, error: failed });
  }
  return results;
}

function report(found: Found, cancelled: readonly Cancelled[], wanted: Wanted, io: CommandIo): void {
  const done = (orderId: number) => {
    const one = cancelled.find((result) => result.orderId === orderId);
    if (!one) return wanted.cancel ? "kept" : "would be cancelled";
    return one.error ? `NOT CANCELLED: ${one.error.code}: ${one.error.message}` : "cancelled";
  };
  const lines = [
    ...found.strays.map((one) => ({ one, what: done(one.order.orderId) })),
    ...found.spared.map(({ one, why }) => ({ one, what: `left alone: ${why}` })),
  ];
  if (wanted.json) {
    const strays = lines.map(({ one, what }) => ({
      orderId: one.order.orderId,
      serverId: one.order.serverId,
      ageSeconds: Math.round(one.ageMs / 1000),
      pricePerDayUsd: one.pricePerDayUsd,
      spentUsd: one.spentUsd,
      because: one.owner?.because,
      result: what,
    }));
    io.out(JSON.stringify({ listed: found.listed, stacks: found.stacks, strays }, undefined, 2));
    return;
  }
  if (lines.length === 0) {
    io.out(
      `${found.listed === 1 ? "the one order belongs" : `all ${found.listed} orders belong`} to somebody (${counted(found.stacks, "stack")} read)`,
    );
    return;
  }
  const rows = lines.map(({ one, what }) => [
    String(one.order.orderId),
    String(one.order.serverId),
    formatSeconds(one.ageMs / 1000),
    one.pricePerDayUsd?.toFixed(2) ?? `${one.order.pricePerDay} ${one.order.currency}`,
    what,
    one.owner?.because ?? "",
  ]);
  for (const line of table(["ORDER", "SERVER", "AGE", "USD/DAY", "", "BECAUSE"], rows)) io.out(line);
  const usd = found.strays.reduce((sum, one) => sum + (one.pricePerDayUsd ?? 0), 0);
  io.out(
    `\n${found.strays.length} of ${counted(found.listed, "order")} ${found.strays.length === 1 ? "belongs" : "belong"} to nobody: ${formatUsd(usd)} per day`,
  );
  if (!wanted.cancel && found.strays.length > 0) io.out("nothing was cancelled: add --cancel for that");
}

function read(argv: readonly string[], directory: string): Wanted {
  const flags = readFlags("clore sweep", argv, {
    cancel: { type: "boolean" },
    max: { type: "string" },
    grace: { type: "string" },
    keep: { type: "string", multiple: true },
    "keep-file": { type: "string" },
    json: { type: "boolean" },
  });
  const problems = new Problems();
  const wanted: Wanted = {
    cancel: flags.cancel ?? false,
    max: problems.whole("--max", flags.max, 3, 0),
    graceMs: flags.grace === undefined ? undefined : problems.time("--grace", flags.grace, "0"),
    keep: [
      ...(flags.keep ?? []).map((id) => problems.whole("--keep", id, 0, 1)),
      ...keepFile(flags["keep-file"], directory, problems),
    ],
    json: flags.json ?? false,
  };
  problems.throwIfAny("clore sweep");
  return wanted;
}

/** A keep-list that cannot be understood must not be passed over. */
function keepFile(path: string | undefined, directory: string, problems: Problems): number[] {
  const usual = join(directory, "keep");
  if (path === undefined && !existsSync(usual)) return [];
  const file = path ?? usual;
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new InputError("clore sweep", [{ path: "--keep-file", problem: (error as Error).message }]);
  }
  return text
    .split("\n")
    .map((line) => line.replace(/#.*/, "").trim())
    .filter((line) => line !== "")
    .map((line) => problems.whole(file, line, 0, 1));
}
