import { type ParseArgsOptionsConfig, parseArgs } from "node:util";
import { InputError, type InputProblem } from "../core/errors.ts";
import { parseHours } from "../cost/duration.ts";

/**
 * Reads the flags of a command; words that are no flags are mistakes.
 * @throws InputError
 */
export function readFlags<O extends ParseArgsOptionsConfig>(
  command: string,
  argv: readonly string[],
  options: O,
) {
  try {
    return parseArgs({ args: [...argv], options }).values;
  } catch (error) {
    // parseArgs words its complaints for people.
    throw new InputError(command, [{ path: "arguments", problem: (error as Error).message }]);
  }
}

/** Collects what is wrong with a command line, so that all of it comes at once. */
export class Problems {
  readonly #found: InputProblem[] = [];

  add(path: string, problem: string): void {
    this.#found.push({ path, problem });
  }

  /** A whole number of at least `least`; the fallback where the flag is missing or wrong. */
  whole(path: string, text: string | undefined, fallback: number, least: number): number {
    if (text === undefined) return fallback;
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least) return value;
    this.add(path, `"${text}" is no whole number of ${least} or more`);
    return fallback;
  }

  /** Milliseconds of a time such as 30m. */
  time(path: string, text: string | undefined, fallback: string): number {
    const hours = parseHours(text ?? fallback);
    if (hours !== undefined) return hours * 3_600_000;
    if (text === "0") return 0;
    this.add(path, `"${text}" is no time: write 90s, 30m, 8h or 1d12h`);
    return 0;
  }

  /** @throws InputError when there is any */
  throwIfAny(command: string): void {
    if (this.#found.length > 0) throw new InputError(command, this.#found);
  }
}
