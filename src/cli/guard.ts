import type { OwnedServer } from "../backend/state.ts";
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

const usage = `clore guard [--once] [--every TIME] [--warn TIME] [--dry-run] [--json]

Keeps the leases of all stacks of the Pulumi backend: an order whose lease has ended is warned
about, and cancelled when the warning time is over. It runs anywhere but on the rented servers:
a laptop, a machine of yours, a scheduled pipeline (templates/systemd, github, gitlab).

  --once         look once and end; exit code 1 when something could not be done
  --every TIME   pause between looks (default 5m)
  --warn TIME    from the end of a lease to the cancel; each look in between warns (default 10m)
  --dry-run      say what would be cancelled
  --json         for programs: an object a line, also of what could not be done

What cannot be read is left alone: an order that is not listed, a backend that is not whole.
A lease is made longer by \`lease\` in the program and \`pulumi up\`.

Needs CLORE_API_KEY and the pulumi CLI, logged in to the backend.`;

interface Wanted {
  once: boolean;
  everyMs: number;
  warnMs: number;
  dryRun: boolean;
  json: boolean;
}

/** Something that the guard has to say. */
interface News {
  event:
    | "started"
    | "warning"
    | "would-cancel"
    | "cancelled"
    | "not-cancelled"
    | "not-listed"
    | "looked"
    | "failed"
    | "stopped";
  message: string;
  /** Something could not be done or known: for stderr. */
  isBad?: boolean;
  [detail: string]: unknown;
}

type Tell = (news: News) => void;

/** `clore guard`: ends what has outlived its lease. */
export const command: Command = {
  name: "guard",
  summary: "cancel servers whose lease has ended",
  usage,
  async run(argv, io) {
    const wanted = read(argv);
    using account = openAccount(io);
    const tell = teller(wanted, io);
    const failed = (error: unknown) => {
      const message = `nothing was done this time: ${describeError(error)}`;
      tell({ event: "failed", message, ...codeOf(error), isBad: true });
    };
    if (wanted.once) {
      try {
        return (await round(wanted, account, tell, io)) ? 0 : 1;
      } catch (error) {
        if (!wanted.json || io.signal.aborted) throw error;
        failed(error);
        return 1;
      }
    }
    tell({ event: "started", message: `guarding leases, every ${formatSeconds(wanted.everyMs / 1000)}` });
    while (!io.signal.aborted) {
      try {
        await round(wanted, account, tell, io);
      } catch (error) {
        if (io.signal.aborted) break;
        // A guard that ends at the first bad moment guards nothing.
        failed(error);
      }
      await systemClock.sleep(wanted.everyMs, io.signal).catch(() => {});
    }
    tell({ event: "stopped", message: "stopped" });
    return 0;
  },
};

function teller({ json }: Wanted, io: CommandIo): Tell {
  return ({ isBad, ...news }) => {
    const at = new Date().toISOString();
    if (json) io.out(JSON.stringify({ at, ...news }));
    else (isBad ? io.err : io.out)(`${at} ${news.message}`);
  };
}

/** One look. False when something that should have been cancelled could not be. */
async function round(wanted: Wanted, account: Account, tell: Tell, io: CommandIo): Promise<boolean> {
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
    const message = `not listed, so nothing is done: ${unlisted.map(nameOf).join(", ")}`;
    tell({ event: "not-listed", message, servers: unlisted.map(detailsOf), isBad: true });
  }
  const over = leased.filter(({ overMs }) => overMs >= 0);
  const rate = await ratesFor(
    over.map(({ order }) => order),
    account,
  );
  let done = true;
  for (const { server, order, overMs } of over) {
    const usdPerUnit = rate(order.currency);
    const usd = usdPerUnit === undefined ? undefined : order.pricePerDay * usdPerUnit;
    const price = usd === undefined ? `${order.pricePerDay} ${order.currency}` : formatUsd(usd);
    const what = `${nameOf(server)} (${price} per day): its lease ended ${formatSeconds(overMs / 1000)} ago`;
    const details = { ...detailsOf(server), pricePerDayUsd: usd, overSeconds: Math.round(overMs / 1000) };
    if (overMs < wanted.warnMs) {
      const left = (wanted.warnMs - overMs) / 1000;
      const message = `WARNING ${what}; it is cancelled in ${formatSeconds(left)}`;
      tell({ event: "warning", message, ...details, cancelInSeconds: Math.round(left) });
    } else if (!server.certain) {
      const message = `NOT CANCELLED ${what}: its key was never seen to open it, so it may be somebody else's`;
      tell({ event: "not-cancelled", message, ...details, isBad: true });
      done = false;
    } else if (wanted.dryRun) {
      tell({ event: "would-cancel", message: `would cancel ${what}`, ...details });
    } else {
      try {
        await giveBack(order, usd, { reason: "its lease ended", by: "clore guard", server }, account);
        tell({ event: "cancelled", message: `CANCELLED ${what}`, ...details });
      } catch (error) {
        io.signal.throwIfAborted();
        if (!(error instanceof CloreError)) throw error;
        const message = `NOT CANCELLED ${what}: ${describeError(error)}`;
        tell({ event: "not-cancelled", message, ...details, ...codeOf(error), isBad: true });
        done = false;
      }
    }
  }
  const message = `looked at ${counted(leased.length, "lease")} in ${counted(stacks.length, "stack")}, ${over.length} over`;
  tell({ event: "looked", message, leases: leased.length, stacks: stacks.length, over: over.length });
  return done;
}

function codeOf(error: unknown): { code?: string } {
  return error instanceof CloreError ? { code: error.code } : {};
}

function detailsOf({ orderId, serverId, stack, urn }: OwnedServer) {
  return { orderId, serverId, stack, urn };
}

function nameOf({ orderId, serverId, stack, urn }: OwnedServer): string {
  return `${orderId === undefined ? `a possible order on server ${serverId}` : `order ${orderId}`} of ${stack} ${urn.split("::").at(-1)}`;
}

function read(argv: readonly string[]): Wanted {
  const flags = readFlags("clore guard", argv, {
    once: { type: "boolean" },
    every: { type: "string" },
    warn: { type: "string" },
    "dry-run": { type: "boolean" },
    json: { type: "boolean" },
  });
  const problems = new Problems();
  const wanted = {
    once: flags.once ?? false,
    everyMs: problems.time("--every", flags.every, "5m"),
    warnMs: problems.time("--warn", flags.warn, "10m"),
    dryRun: flags["dry-run"] ?? false,
    json: flags.json ?? false,
  };
  if (wanted.everyMs < 1000 && flags.every !== undefined) problems.add("--every", "should be 1s or more");
  problems.throwIfAny("clore guard");
  return wanted;
}
