/** One subcommand of `clore`: a file each, listed in main.ts. */
export interface Command {
  name: string;
  /** One line for `clore help`. */
  summary: string;
  /** The whole help text of the command. */
  usage: string;
  /**
   * Runs it with the words after the command's name. Gives the exit code; expected errors are thrown as
   * CloreError and printed by main as code, what, hint.
   */
  run(argv: readonly string[], io: CommandIo): Promise<number>;
}

/** What a command may touch, handed in so that it can be tested without a process. */
export interface CommandIo {
  out(line: string): void;
  err(line: string): void;
  env: Readonly<Record<string, string | undefined>>;
  /** Aborts at the first Ctrl-C or SIGTERM. */
  signal: AbortSignal;
}
