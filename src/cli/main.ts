import { CloreError, describeError } from "../core/errors.ts";
import type { Command, CommandIo } from "./command.ts";

/** Loaded when asked for, so that `clore help` does not wait for SSH and Docker. */
const commands: Readonly<Record<string, () => Promise<{ command: Command }>>> = {
  offers: () => import("./offers.ts"),
  ps: () => import("./ps.ts"),
  guard: () => import("./guard.ts"),
  sweep: () => import("./sweep.ts"),
  ledger: () => import("./ledger.ts"),
  emulate: () => import("./emulate.ts"),
};

/** Runs one command line. Gives the exit code: 0 done, 1 failed, 2 not understood, 130 interrupted. */
export async function main(argv: readonly string[], io: CommandIo): Promise<number> {
  const [name = "help", ...rest] = argv;
  if (name === "help" || name === "--help" || name === "-h") {
    io.out(await help(rest[0]));
    return 0;
  }
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!load) {
    io.err(`clore: no such command: ${name}\n${await help()}`);
    return 2;
  }
  const { command } = await load();
  if (rest.includes("--help") || rest.includes("-h")) {
    io.out(command.usage);
    return 0;
  }
  try {
    return await command.run(rest, io);
  } catch (error) {
    if (io.signal.aborted) return 130;
    io.err(describeError(error));
    return error instanceof CloreError && error.code === "input.invalid" ? 2 : 1;
  }
}

async function help(name?: string): Promise<string> {
  const one = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (one) return (await one()).command.usage;
  const rows = await Promise.all(Object.values(commands).map(async (load) => (await load()).command));
  return [
    "clore: what surrounds `pulumi up` on Clore.ai",
    "",
    ...rows.map((command) => `  clore ${command.name.padEnd(10)} ${command.summary}`),
    "",
    "Help for one: clore help <command>",
  ].join("\n");
}

if (import.meta.main) {
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => interrupt.abort(new Error(`stopped by ${signal}`)));
  }
  process.exitCode = await main(process.argv.slice(2), {
    out: (line) => process.stdout.write(`${line}\n`),
    err: (line) => process.stderr.write(`${line}\n`),
    env: process.env,
    signal: interrupt.signal,
  });
}
