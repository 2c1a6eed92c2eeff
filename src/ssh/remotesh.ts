import { randomBytes } from "node:crypto";
import { quote } from "./quote.ts";

/** Login shells may print that much before they come to our command. */
const MOST_NOISE_BYTES = 64 * 1024;

/**
 * A command line as it is sent: run by a POSIX sh whatever the account's shell, which first tells its process id on both streams.
 * The id is needed to end it: OpenSSH passes no signals on in sessions of root, nor does it end a command whose channel is closed.
 * What login scripts print (images greet people) comes before the id and so is told apart from the command's output.
 */
export class RemoteShell {
  /** The request that runs it. */
  readonly line: string;
  /** The same for a {@link WAITING_SHELL}: what it reads before the command's own input. */
  readonly input: Buffer;
  readonly stdout: Preamble;
  readonly stderr: Preamble;

  constructor(command: string) {
    const marker = `clore-${randomBytes(8).toString("hex")}`;
    this.stdout = new Preamble(marker);
    this.stderr = new Preamble(marker);
    const script = `echo ${marker} $$; echo ${marker} $$ >&2\n${command}`;
    this.line = `exec /bin/sh -c ${quote([script])}`;
    this.input = Buffer.from(`${Buffer.byteLength(script)}\n${script}`);
  }

  /** Leader of the command's process group, once it has started. */
  get pid(): number | undefined {
    return this.stdout.pid ?? this.stderr.pid;
  }
}

/** Reads how long its command is, then that, and becomes it. `dd`, because it reads not one byte more. */
export const WAITING_SHELL = `exec /bin/sh -c ${quote([
  'read -r n && c=$(dd bs="$n" count=1 iflag=fullblock 2>/dev/null) && eval "unset n c; $c"',
])}`;

/** Takes off what comes before the command's own output. */
class Preamble {
  pid: number | undefined;
  readonly #marker: string;
  #noise: Buffer | undefined = Buffer.alloc(0);

  constructor(marker: string) {
    this.#marker = marker;
  }

  /** Gives what of a piece belongs to the command. */
  take(data: Buffer): Buffer {
    if (!this.#noise) return data;
    this.#noise = Buffer.concat([this.#noise, data]);
    const found = new RegExp(`${this.#marker} (\\d+)\n`).exec(this.#noise.toString("latin1"));
    if (!found) return this.#noise.length > MOST_NOISE_BYTES ? this.rest() : Buffer.alloc(0);
    this.pid = Number(found[1]);
    return this.rest().subarray(found.index + found[0].length);
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
