import { counted } from "../core/counted.ts";
import { isRunning } from "../core/is-running.ts";
import { stateDirectory } from "../core/state-directory.ts";
import { formatUsd } from "../cost/price.ts";
import { compact } from "../ledger/compact.ts";
import { type Entry, Ledger, mayBill } from "../ledger/ledger.ts";
import type { Command } from "./command.ts";
import { readFlags } from "./flags.ts";
import { table } from "./table.ts";

const usage = `clore ledger [--open] [--compact] [--json]

What this machine has set out to rent, oldest first, and what became of it. A line is
written before every order, so what a crashed run has left shows here. Asks nobody.

  --open      only what may bill
  --compact   drop what ended more than 30 days ago
  --json      for programs

CLORE_HOME names the folder (default: ~/.local/state/pulumi-clore).`;

/** `clore ledger`: the local record of what was rented. */
export const command: Command = {
  name: "ledger",
  summary: "what this machine has rented, and what became of it",
  usage,
  async run(argv, io) {
    const flags = readFlags("clore ledger", argv, {
      open: { type: "boolean" },
      compact: { type: "boolean" },
      json: { type: "boolean" },
    });
    const ledger = new Ledger(stateDirectory(io.env));
    if (flags.compact) {
      const done = compact(ledger);
      io.err(
        done
          ? `dropped ${counted(done.dropped, "line")}, kept ${done.kept}`
          : "another process is compacting it",
      );
    }
    const entries = ledger.entries().filter((entry) => !flags.open || mayBill(entry));
    if (flags.json) {
      const rows = entries.map((entry) => ({
        ...entry,
        outcome: entry.outcome ?? "unknown",
        mayBill: mayBill(entry),
      }));
      io.out(JSON.stringify(rows, undefined, 2));
      return 0;
    }
    if (entries.length === 0) {
      io.out(`nothing ${flags.open ? "that may bill " : ""}in ${ledger.path}`);
      return 0;
    }
    const head = ["SINCE", "ORDER", "SERVER", "USD/DAY", "RESOURCE", "WHAT BECAME OF IT"];
    for (const line of table(head, entries.map(row))) io.out(line);
    const open = entries.filter(mayBill).length;
    io.out(`\n${counted(entries.length, "entry", "entries")}, ${open} may bill; ${ledger.path}`);
    return 0;
  },
};

function row(entry: Entry): string[] {
  const [head = "", project = "", , name = ""] = entry.urn.split("::");
  return [
    entry.at.toISOString().slice(0, 16).replace("T", " "),
    entry.orderId === undefined ? "-" : String(entry.orderId),
    String(entry.serverId),
    entry.pricePerDayUsd === undefined
      ? `${entry.pricePerDay} ${entry.currency}`
      : formatUsd(entry.pricePerDayUsd).replace(" USD", ""),
    `${project}/${head.replace("urn:pulumi:", "")} ${name}`,
    becameOf(entry),
  ];
}

function becameOf(entry: Entry): string {
  const owner = entry.kept ? "a stack's state has it" : runOf(entry);
  switch (entry.outcome) {
    case undefined:
      return `unknown: asked for, no answer written down (${runOf(entry)})`;
    case "accepted":
      return `rented, not seen yet (${runOf(entry)})`;
    case "order":
      return `rented (${owner})`;
    case "refused":
      return `refused: ${entry.reason}`;
    case "absent":
      return "never was: looked for, not there";
    case "cancelled":
      return `given back: ${entry.reason}`;
    case "ended":
      return "ended by itself";
  }
}

function runOf(entry: Entry): string {
  return isRunning(entry.pid) ? `process ${entry.pid} is at it` : `process ${entry.pid} is gone`;
}
