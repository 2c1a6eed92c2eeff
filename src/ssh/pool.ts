import { createHash } from "node:crypto";
import { CloreError } from "../core/errors.ts";
import { unlessAborted } from "./abort.ts";
import { connectWithin, type WithinOptions } from "./connect.ts";
import { nameOf } from "./errors.ts";
import { hostKeyChanged, sameHostKey } from "./hostkey.ts";
import { lease } from "./lease.ts";
import type { SshConnection, SshTarget } from "./types.ts";

export interface PoolOptions {
  /** How long a connection nobody uses stays open, in milliseconds. @default 60,000 */
  idleMs?: number;
}

interface Entry {
  readonly connection: Promise<SshConnection>;
  readonly dial: AbortController;
  users: number;
  ready: boolean;
  idle?: NodeJS.Timeout;
}

/**
 * One connection a server for the whole process, shared by all who acquire it at the same time.
 * @example await using ssh = await pool.acquire(target, { deadlineMs: 60_000 }); // close() gives it back
 */
export class SshPool {
  readonly #idleMs: number;
  readonly #entries = new Map<string, Entry>();
  #closed = false;

  constructor(options: PoolOptions = {}) {
    this.#idleMs = options.idleMs ?? 60_000;
  }

  /**
   * The server's connection; dialled as `connectWithin` does when there is none. Who comes while it is being dialled shares that
   * attempt and its deadline; it is given up when nobody waits for it any more.
   * @throws what `connectWithin` throws; CloreError `ssh.host-key-changed` when an open connection shows another key than pinned
   */
  async acquire(target: SshTarget, options: WithinOptions): Promise<SshConnection> {
    if (this.#closed) {
      throw new CloreError("ssh.closed", { message: `${nameOf(target)}: the connections were closed here` });
    }
    options.signal?.throwIfAborted();
    const key = keyOf(target);
    const entry = this.#entries.get(key) ?? this.#dial(key, target, options);
    clearTimeout(entry.idle);
    entry.users++;
    try {
      const connection = await unlessAborted(entry.connection, options.signal);
      refuseOtherKey(target, connection.hostKey);
      return lease(connection, nameOf(target), () => this.#release(key, entry));
    } catch (error) {
      this.#release(key, entry);
      throw error;
    }
  }

  /** Closes every connection, in use or not, and ends dials under way. Nothing can be acquired afterwards. */
  async closeAll(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#entries].map(([key, entry]) => this.#drop(key, entry)));
  }

  #dial(key: string, target: SshTarget, options: WithinOptions): Entry {
    const dial = new AbortController();
    const connection = connectWithin(target, { ...options, signal: dial.signal });
    const entry: Entry = { connection, dial, users: 0, ready: false };
    this.#entries.set(key, entry);
    connection.then(
      () => {
        entry.ready = true;
      },
      () => this.#forget(key, entry),
    );
    return entry;
  }

  #release(key: string, entry: Entry): void {
    entry.users--;
    if (entry.users > 0 || this.#entries.get(key) !== entry) return;
    const drop = () => void this.#drop(key, entry);
    if (entry.ready) entry.idle = setTimeout(drop, this.#idleMs).unref();
    else drop();
  }

  async #drop(key: string, entry: Entry): Promise<void> {
    this.#forget(key, entry);
    clearTimeout(entry.idle);
    entry.dial.abort(new CloreError("ssh.closed", { message: "the connection was closed here" }));
    const connection = await entry.connection.catch(() => undefined);
    await connection?.close();
  }

  #forget(key: string, entry: Entry): void {
    if (this.#entries.get(key) === entry) this.#entries.delete(key);
  }
}

/** The same server with the same rights. The pinned key is no part of it: it is compared at each acquire. */
function keyOf(target: SshTarget): string {
  return `${nameOf(target)} ${createHash("sha256").update(target.privateKey).digest("hex")}`;
}

function refuseOtherKey(target: SshTarget, shown: string): void {
  if (target.hostKey === undefined || sameHostKey(target.hostKey, shown)) return;
  throw hostKeyChanged(nameOf(target), target.hostKey, Buffer.from(shown.split(" ")[1]!, "base64"));
}
