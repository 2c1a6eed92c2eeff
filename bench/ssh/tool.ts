import type { SshTarget } from "../../src/ssh/types.ts";
import type { Step } from "./steps.ts";

/** What a tool may know of the host, and where it keeps its own files on this machine. */
export interface Site {
  target: SshTarget & { hostKey: string };
  steps: readonly Step[];
  /** The same files here: step number → path. */
  contents: ReadonlyMap<number, string>;
  /** The private key, and the host's as a known_hosts file. */
  keyFile: string;
  knownHosts: string;
  /** A folder of the tool's own, with a short name: it may hold sockets. */
  work: string;
}

/** A whole run as one command line, process start included. */
export interface Run {
  command: readonly string[];
  env?: Readonly<Record<string, string>>;
  /** Ends what stays behind on this machine, so that the next run begins without a connection. Not timed. */
  after?: readonly string[];
}

/** What all tools but ours have to say in shell: kept running, and not started twice. */
export function superviseInShell(root: string, command: readonly string[]): string {
  const pid = `${root}/logs/supervisor.pid`;
  const loop = `echo $$ >${pid}; while :; do ${command.join(" ")}; sleep 1; done`;
  return `kill -0 "$(cat ${pid} 2>/dev/null)" 2>/dev/null || { setsid sh -c '${loop}' >${root}/logs/out 2>&1 </dev/null & }`;
}

/** A guarded command as one line of shell. */
export function guarded(step: Extract<Step, { command: string }>): string {
  const check = "creates" in step ? `[ -e ${step.creates} ]` : step.unless;
  return `${check} 2>/dev/null || { ${step.command}; }`;
}

export function rootOf(steps: readonly Step[]): string {
  return (steps[0] as { folder: string }).folder;
}
