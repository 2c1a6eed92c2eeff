import { randomBytes } from "node:crypto";
import { quote } from "./quote.ts";

/** Login shells may print that much before they come to our command. */
const MOST_NOISE_BYTES = 64 * 1024;

/**
 * A command line as it is sent: run by a POSIX sh whatever the account's shell, which first tells its process id on stderr.
 * The id is needed to end it: OpenSSH passes no signals on in sessions of root, nor does it end a command whose channel is closed.
 */
export class RemoteShell {
  readonly line: string;
  /** Leader of the command's process group, once it has started. */
  pid: number | undefined;
  readonly #marker = `clore-${randomBytes(8).toString("hex")}`;
  #noise: Buffer | undefined = Buffer.alloc(0);

  constructor(command: string) {
    this.line = `exec /bin/sh -c ${quote([`echo ${this.#marker} $$ >&2\n${command}`])}`;
  }

  /** Takes a piece of stderr and gives what belongs to the command: all that follows the line with the id. */
  stderr(data: Buffer): Buffer {
    if (!this.#noise) return data;
    const all = Buffer.concat([this.#noise, data]);
    const found = new RegExp(`^${this.#marker} (\\d+)\n`, "m").exec(all.toString("latin1"));
    if (found) {
      this.pid = Number(found[1]);
      this.#noise = undefined;
      return all.subarray(found.index + found[0].length);
    }
    this.#noise = all;
    return all.length > MOST_NOISE_BYTES ? this.rest() : Buffer.alloc(0);
  }

  /** At the end: what came although the command never started. */
  rest(): Buffer {
    const rest = this.#noise ?? Buffer.alloc(0);
    this.#noise = undefined;
    return rest;
  }
}

/** Ends a process and its group: SIGTERM, up to a second of patience, SIGKILL. */
export function endCommand(pid: number): string {
  return [
    `g=-${pid}; kill -TERM $g 2>/dev/null || { g=${pid}; kill -TERM $g 2>/dev/null; }`,
    "n=0; while kill -0 $g 2>/dev/null && [ $n -lt 10 ]; do sleep 0.1; n=$((n+1)); done",
    "kill -KILL $g 2>/dev/null",
    ":",
  ].join("\n");
}
