import type { Duplex } from "node:stream";
import { systemClock } from "../core/clock.ts";
import { CloreError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { unlessAborted } from "./abort.ts";
import { nameOf } from "./errors.ts";
import { execOn, NotStarted } from "./exec.ts";
import { writeFilesWith } from "./files.ts";
import { listenFor } from "./forward.ts";
import { Gate } from "./gate.ts";
import { type Link, type LinkOptions, openLink } from "./link.ts";
import { dialOn, type StreamTarget } from "./stream.ts";
import type { ExecOptions, ExecResult, Forward, RemoteFile, SshConnection, SshTarget } from "./types.ts";

export interface ConnectOptions extends LinkOptions {
  log?: Log;
}

/** OpenSSH allows 10 sessions a connection (MaxSessions): two are spares, one is left for a command that is just being ended. */
const MOST_SESSIONS = 7;
/** How often a command may be refused a session before that is an error, and the pause after each refusal. */
const MOST_REFUSALS = 20;
const REFUSED_PAUSE_MS = 50;

/** A logged-in server: commands, files, streams. Logs in again, with the same pinned key, when the link was lost between calls. */
export class Connection implements SshConnection {
  readonly hostKey: string;
  readonly #target: SshTarget;
  readonly #options: ConnectOptions;
  readonly #sessions = new Gate(MOST_SESSIONS);
  readonly #forwards = new Set<Forward>();
  #link: Link;
  #dialing: Promise<Link> | undefined;
  #closed = false;

  constructor(target: SshTarget, options: ConnectOptions, link: Link) {
    this.hostKey = link.hostKey;
    this.#target = { ...target, hostKey: link.hostKey };
    // The signal was for the first attempt; later ones belong to the calls that need them.
    this.#options = { ...options, signal: undefined };
    this.#link = link;
  }

  async exec(command: string, options: ExecOptions): Promise<ExecResult> {
    for (let refusals = 1; ; refusals++) {
      const place = await this.#sessions.enter(options.signal);
      try {
        return await this.#execOnce(command, options);
      } catch (error) {
        if (!(error instanceof NotStarted)) throw error;
        if (!error.refused || refusals === MOST_REFUSALS) throw error.cause;
        // Refused once: the host has not cleared a session away yet. Again: it allows fewer than OpenSSH's default.
        await systemClock.sleep(REFUSED_PAUSE_MS, options.signal);
        if (refusals > 1) place.giveUp();
      } finally {
        place.leave();
      }
    }
  }

  writeFiles(files: readonly RemoteFile[], options?: { signal?: AbortSignal }): Promise<readonly string[]> {
    const exec = (command: string, execOptions: ExecOptions) => this.exec(command, execOptions);
    return writeFilesWith(exec, nameOf(this.#target), files, options?.signal);
  }

  async dial(to: StreamTarget): Promise<Duplex> {
    return dialOn(await this.#live(), to);
  }

  async forward(to: StreamTarget): Promise<Forward> {
    await this.#live();
    const forward = await listenFor(
      () => this.dial(to),
      () => this.#forwards.delete(forward),
    );
    this.#forwards.add(forward);
    return forward;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#forwards].map((forward) => forward[Symbol.asyncDispose]()));
    await this.#dialing?.catch(() => undefined);
    await this.#link.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** What was not handed over is safe to repeat once: the old connection may have died unnoticed while idle. */
  async #execOnce(command: string, options: ExecOptions): Promise<ExecResult> {
    try {
      return await execOn(await unlessAborted(this.#live(), options.signal), command, options);
    } catch (error) {
      if (!(error instanceof NotStarted) || error.refused) throw error;
      return execOn(await unlessAborted(this.#live(), options.signal), command, options);
    }
  }

  /** The connection, opened anew when it was lost. Calls that find it lost at the same time share one attempt. */
  async #live(): Promise<Link> {
    if (this.#closed) throw closedHere(this.#target);
    if (this.#link.alive) return this.#link;
    this.#dialing ??= this.#redial().finally(() => {
      this.#dialing = undefined;
    });
    return this.#dialing;
  }

  async #redial(): Promise<Link> {
    const { where, lostBecause } = this.#link;
    this.#options.log?.debug(
      `${where}: connection lost (${lostBecause ?? "closed by the host"}), connecting again`,
    );
    this.#link = await openLink(this.#target, this.#options);
    return this.#link;
  }
}

function closedHere(target: SshTarget): CloreError {
  return new CloreError("ssh.closed", {
    message: `the connection to ${nameOf(target)} was closed here`,
    hint: "a call was made after close(): connect again",
  });
}
