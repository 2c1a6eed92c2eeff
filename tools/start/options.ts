import { parseArgs } from "node:util";
import { InputError } from "../../src/core/errors.ts";

export const usage = `npm start -- [stack] [options]

Brings a stack up with a real \`pulumi up\`, asks it a question, and gives everything back.
Without options the marketplace is a local one: no account, no cost.

  stack                 a program of stacks/ (default: gemini-proxy)
  --keep                leave it up, and print how to look at it and how to take it down
  --down                take down what --keep left
  --live                rent on the real Clore.ai with CLORE_API_KEY, after showing offer and price and asking
  --yes                 with --live: do not ask
  --machines <kind>     docker or sandbox: what stands behind a local order (default: docker where it answers)
  --help`;

export interface StartOptions {
  stack: string;
  keep: boolean;
  down: boolean;
  live: boolean;
  yes: boolean;
  machines: "docker" | "sandbox" | undefined;
  help: boolean;
}

/** @throws InputError for a word that means nothing here, or two that exclude each other */
export function parseOptions(argv: readonly string[]): StartOptions {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(argv);
  } catch (error) {
    throw new InputError("npm start", [
      { path: "arguments", problem: `${(error as Error).message}\n${usage}` },
    ]);
  }
  const { values, positionals } = parsed;
  const problems = [];
  if (positionals.length > 1) problems.push({ path: positionals[1] ?? "", problem: "one stack at a time" });
  if (values.live && values.machines)
    problems.push({ path: "--machines", problem: "means nothing with --live" });
  if (values.keep && values.down) problems.push({ path: "--keep", problem: "means nothing with --down" });
  if (values.yes && !values.live)
    problems.push({ path: "--yes", problem: "is for --live; nothing is asked without it" });
  if (values.machines && !["docker", "sandbox"].includes(values.machines)) {
    problems.push({ path: "--machines", problem: `should be docker or sandbox, not ${values.machines}` });
  }
  if (problems.length > 0) throw new InputError("npm start", problems);
  return {
    stack: positionals[0] ?? "gemini-proxy",
    keep: values.keep ?? false,
    down: values.down ?? false,
    live: values.live ?? false,
    yes: values.yes ?? false,
    machines: values.machines as StartOptions["machines"],
    help: values.help ?? false,
  };
}

function parse(argv: readonly string[]) {
  return parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      keep: { type: "boolean" },
      down: { type: "boolean" },
      live: { type: "boolean" },
      yes: { type: "boolean" },
      machines: { type: "string" },
      help: { type: "boolean", short: "h" },
    },
  });
}
