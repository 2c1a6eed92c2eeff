import { quote } from "./quote.ts";
import type { ExecOptions, ExecResult } from "./types.ts";

/** Runs a command; a SshConnection's `exec`. */
export type Exec = (command: string, options: ExecOptions) => Promise<ExecResult>;

/** A request that every SSH server takes in one packet (RFC 4253 asks for 32,768 bytes), with room for our own words. */
const LONGEST_COMMAND = 28_000;

/**
 * Runs a script of ours with `args` as `$1`, `$2`…: as the command itself where it is short, because input can follow a command
 * only a round trip later on a cold connection; from stdin otherwise. Not for secrets: a command can be seen by other users.
 */
export function runScript(
  exec: Exec,
  script: string,
  args: readonly string[],
  options: Omit<ExecOptions, "stdin">,
): Promise<ExecResult> {
  const command = `set -- ${quote(args)}\n${script}`;
  if (quote([command]).length <= LONGEST_COMMAND) return exec(command, options);
  return exec("sh -s", { ...options, stdin: command });
}
