import { createHash, randomUUID } from "node:crypto";
import { type Clock, systemClock } from "../core/clock.ts";
import { type Log, silentLog } from "../core/log.ts";
import type { Secret } from "../core/secret.ts";
import {
  afterPass,
  afterPenalty,
  believable,
  type GateLimits,
  type Next,
  nextToPass,
  type PassKind,
} from "./gate-rules.ts";
import { type GateStore, memoryStore, StoreBusy, sqliteStore } from "./gate-store.ts";

/** Who wants to call Clore.ai passes here first. */
export interface RateGate {
  /** Resolves when the request may be sent, in the order of asking of its kind; rejects with the signal's reason. */
  pass(kind: PassKind, signal?: AbortSignal): Promise<void>;
  /** After a 429: nobody who uses this key, in any process, passes for `ms` milliseconds (at most 60 s). */
  penalise(ms: number): Promise<void>;
  /** The step that pauses are counted in, in milliseconds. */
  readonly requestEveryMs: number;
  /** Lets go of the file. Who still waits is served from memory. */
  close(): void;
}

export interface GateOptions extends Partial<GateLimits> {
  /** A folder of this machine that all processes share. Created when missing. */
  directory: string;
  /** Limits count per key and service. */
  apiUrl: string;
  apiKey: Secret | undefined;
  /** Least time between two requests. The service allows 1 per second. @default 1000 */
  requestEveryMs?: number;
  /** Least time between two creates. The service allows 1 per 5 s. @default 5000 */
  createEveryMs?: number;
  clock?: Clock;
  log?: Log;
}

/**
 * The gate of one key, shared by all processes of the machine through a small database in `directory`. Where that
 * cannot be used it says so in a warning and keeps the limits for this process alone.
 * @example await openRateGate({ directory: "/home/me/.pulumi-clore", apiUrl, apiKey }).pass("request", signal)
 */
export function openRateGate(options: GateOptions): RateGate {
  return new Gate(options);
}

/** The file's name of a gate: tells keys apart without telling what they are. */
export function gateName(apiUrl: string, apiKey: Secret | undefined): string {
  const hash = createHash("sha256").update(`${apiUrl.replace(/\/+$/, "")}\n${apiKey?.reveal().trim() ?? ""}`);
  return `gate-${hash.digest("hex").slice(0, 16)}`;
}

/** One memory a key for all gates of this process that cannot use the directory. */
const memories = new Map<string, GateStore>();

/** After so many tries the file counts as stuck (a stopped process may hold it for ever). */
const busyTries = 200;

interface Waiter {
  kind: PassKind;
  admit: () => void;
}

class Gate implements RateGate {
  readonly requestEveryMs: number;
  readonly #limits: GateLimits;
  readonly #owner = randomUUID();
  readonly #name: string;
  readonly #directory: string;
  readonly #clock: Clock;
  readonly #log: Log;
  #store: GateStore;
  /** In the order of asking. */
  readonly #waiting: Waiter[] = [];
  #serving = false;
  /** Cuts the pause short when somebody new may be due earlier. */
  #wake = new AbortController();

  constructor(options: GateOptions) {
    this.#limits = {
      requestEveryMs: options.requestEveryMs ?? 1000,
      createEveryMs: options.createEveryMs ?? 5000,
    };
    this.requestEveryMs = this.#limits.requestEveryMs;
    this.#name = gateName(options.apiUrl, options.apiKey);
    this.#directory = options.directory;
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log ?? silentLog;
    this.#store = this.#open();
  }

  async pass(kind: PassKind, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { kind, admit: resolve };
    const leave = () => {
      const index = this.#waiting.indexOf(waiter);
      if (index >= 0) this.#waiting.splice(index, 1);
      reject(signal?.reason);
      this.#wake.abort();
    };
    signal?.addEventListener("abort", leave, { once: true });
    this.#waiting.push(waiter);
    this.#wake.abort();
    if (!this.#serving) void this.#serve();
    try {
      await promise;
    } finally {
      signal?.removeEventListener("abort", leave);
    }
  }

  async penalise(ms: number): Promise<void> {
    for (let tries = 1; ; tries++) {
      const store = this.#store;
      try {
        const now = this.#clock.now();
        store.update((state) => afterPenalty(believable(state, now), ms, now));
        return;
      } catch (error) {
        await this.#overcome(store, error, tries);
      }
    }
  }

  close(): void {
    this.#store.close();
    this.#store = memoryOf(this.#name);
  }

  /** Admits one waiter after the other until nobody waits. */
  async #serve(): Promise<void> {
    this.#serving = true;
    for (let tries = 1; this.#waiting.length > 0; ) {
      const store = this.#store;
      try {
        const pauseMs = this.#admitNext();
        tries = 1;
        if (pauseMs > 0) await this.#pause(pauseMs);
      } catch (error) {
        await this.#overcome(store, error, tries++);
      }
    }
    this.#serving = false;
  }

  /** Lets the first of those who are due pass, or says how long until somebody is. */
  #admitNext(): number {
    const now = this.#clock.now();
    const kinds = new Set(this.#waiting.map(({ kind }) => kind));
    let next: Next = { waitMs: 0 };
    this.#store.update((seen) => {
      const state = believable(seen, now);
      next = nextToPass(kinds, state, this.#owner, this.#limits, now);
      return "pass" in next ? afterPass(state, next.pass, this.#owner, now) : state;
    });
    // Assigned in the callback, which the type checker does not follow.
    const decided = next as Next;
    if ("waitMs" in decided) return decided.waitMs;
    const index = this.#waiting.findIndex(({ kind }) => kind === decided.pass);
    this.#waiting.splice(index, 1)[0]?.admit();
    return 0;
  }

  async #pause(ms: number): Promise<void> {
    this.#wake = new AbortController();
    await this.#clock.sleep(ms, this.#wake.signal).catch(() => {});
  }

  /** A locked file is waited for; one that stays locked or cannot be used is given up. */
  async #overcome(failed: GateStore, error: unknown, tries: number): Promise<void> {
    if (error instanceof StoreBusy && tries < busyTries) return this.#clock.sleep(10 + Math.random() * 20);
    // Somebody else who met the same failure has changed it already, or the gate was closed.
    if (this.#store !== failed) return;
    this.#warn(error);
    try {
      failed.close();
    } catch {
      // It is unusable already; what matters is said above.
    }
    this.#store = memoryOf(this.#name);
    // What was known is lost: as if a create had just been sent, so that no limit is broken.
    const now = this.#clock.now();
    this.#store.update((state) => afterPass(state, "create", this.#owner, now));
  }

  #open(): GateStore {
    try {
      return sqliteStore(this.#directory, this.#name);
    } catch (error) {
      this.#warn(error);
      return memoryOf(this.#name);
    }
  }

  #warn(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.#log.warn(
      `the rate gate in ${this.#directory} cannot be used (${reason}); request limits are kept for this process only`,
    );
  }
}

function memoryOf(name: string): GateStore {
  const known = memories.get(name) ?? memoryStore();
  memories.set(name, known);
  return known;
}
