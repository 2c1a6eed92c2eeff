import type { OwnedServer } from "../backend/state.ts";
import type { Order } from "../clore/types.ts";
import { systemClock } from "../core/clock.ts";
import { counted } from "../core/counted.ts";
import { CloreError, describeError } from "../core/errors.ts";
import { formatSeconds } from "../cost/duration.ts";
import { formatUsd } from "../cost/price.ts";
import { ratesFor } from "../rental/rates.ts";
import { type Account, openAccount } from "./account.ts";
import type { Command, CommandIo } from "./command.ts";
import { Problems, readFlags } from "./flags.ts";
import { leaseEnd, readStacks } from "./fleet.ts";
import { giveBack } from "./give-back.ts";

const usage = `clore guard [--once] [--every TIME] [--warn TIME] [--dry-run]

Keeps the leases of all stacks of the Pulumi backend: an order whose lease has ended is warned
about, and cancelled when the warning time is over. It runs anywhere but on the rented servers:
a laptop, a machine of yours, a scheduled pipeline (templates/systemd, github, gitlab).

  --once         look once and end; exit code 1 when something could not be done
  --every TIME   pause between looks (default 5m)
  --warn TIME    from the end of a lease to the cancel; each look in between warns (default 10m)
  --dry-run      say what would be cancelled

What cannot be read is left alone: an order that is not listed, a backend that is not whole.
A lease is made longer by \`lease\` in the program and \`pulumi up\`.

Needs CLORE_API_KEY and the pulumi CLI, logged in to the backend.`;

interface Wanted {
  once: boolean;
  everyMs: number;
  warnMs: number;
  dryRun: boolean;
}

/** `clore guard`: ends what has outlived its lease. */
export const command: Command = {
  name: "guard",
  summary: "cancel servers whose lease has ended",
  usage,
  async run(argv, io) {
    const wanted = read(argv);
    using account = openAccount(io);
    if (wanted.once) return (await round(wanted, account, io)) ? 0 : 1;
    io.out(`${stamp()} guarding leases, every ${formatSeconds(wanted.everyMs / 1000)}`);
    while (!io.signal.aborted) {
      try {
        await round(wanted, account, io);
      } catch (error) {
        if (io.signal.aborted) break;
        // A guard that ends at the first bad moment guards nothing.
        io.err(`${stamp()} nothing was done this time: ${describeError(error)}`);
      }
      await systemClock.sleep(wanted.everyMs, io.signal).catch(() => {});
    }
    io.out(`${stamp()} stopped`);
    return 0;
  },
};

/** One look. False when something that should have been cancelled could not be. */
async function round(wanted: Wanted, account: Account, io: CommandIo): Promise<boolean> {
  const { servers, stacks } = await readStacks(io);
  const orders = await account.clore.myOrders({}, io.signal);
  const now = Date.now();
  const leased = servers.flatMap((server) => {
    const order = orders.find((one) => one.orderId === server.orderId && !one.expired);
    const endsAt = order && leaseEnd(server, order, now);
    return endsAt ? [{ server, order, overMs: now - endsAt.getTime() }] : [];
  });
  const unlisted = servers.filter((server) => !orders.some((one) => one.orderId === server.orderId));
  if (unlisted.length > 0) {
    io.err(`${stamp()} not listed, so nothing is done: ${unlisted.map(nameOf).join(", ")}`);
  }
  const over = leased.filter(({ overMs }) => overMs >= 0);
  const rate = await ratesFor(
    over.map(({ order }) => order),
    account,
  );
  let done = true;
  for (const { server, order, overMs } of over) {
    const usd = rate(order.currency);
    const price =
      usd === undefined ? `${order.pricePerDay} ${order.currency}` : formatUsd(order.pricePerDay * usd);
    const what = `${nameOf(server)} (${price} per day): its lease ended ${formatSeconds(overMs / 1000)} ago`;
    if (overMs < wanted.warnMs) {
      io.out(
        `${stamp()} WARNING ${what}; it is cancelled in ${formatSeconds((wanted.warnMs - overMs) / 1000)}`,
      );
    } else if (!server.certain) {
      io.err(
        `${stamp()} NOT CANCELLED ${what}: its key was never seen to open it, so it may be somebody else's`,
      );
      done = false;
    } else if (wanted.dryRun) io.out(`${stamp()} would cancel ${what}`);
    else done = (await cancel(server, order, usd, what, account, io)) && done;
  }
  io.out(
    `${stamp()} looked at ${counted(leased.length, "lease")} in ${counted(stacks.length, "stack")}, ${over.length} over`,
  );
  return done;
}

async function cancel(
  server: OwnedServer,
  order: Order,
  usdPerUnit: number | undefined,
  what: string,
  account: Account,
  io: CommandIo,
): Promise<boolean> {
  const usd = usdPerUnit === undefined ? undefined : order.pricePerDay * usdPerUnit;
  try {
    await giveBack(order, usd, { reason: "its lease ended", by: "clore guard", server }, account);
    io.out(`${stamp()} CANCELLED ${what}`);
    return true;
  } catch (error) {
    io.signal.throwIfAborted();
    if (!(error instanceof CloreError)) throw error;
    io.err(`${stamp()} NOT CANCELLED ${what}: ${describeError(error)}`);
    return false;
  }
}

function nameOf({ orderId, serverId, stack, urn }: OwnedServer): string {
  return `${orderId === undefined ? `a possible order on server ${serverId}` : `order ${orderId}`} of ${stack} ${urn.split("::").at(-1)}`;
}

const stamp = () => new Date().toISOString();

function read(argv: readonly string[]): Wanted {
  const flags = readFlags("clore guard", argv, {
    once: { type: "boolean" },
    every: { type: "string" },
    warn: { type: "string" },
    "dry-run": { type: "boolean" },
  });
  const problems = new Problems();
  const wanted = {
    once: flags.once ?? false,
    everyMs: problems.time("--every", flags.every, "5m"),
    warnMs: problems.time("--warn", flags.warn, "10m"),
    dryRun: flags["dry-run"] ?? false,
  };
  if (wanted.everyMs < 1000 && flags.every !== undefined) problems.add("--every", "should be 1s or more");
  problems.throwIfAny("clore guard");
  return wanted;
}
