import { createHash, randomUUID } from "node:crypto";
import { type Clock, systemClock } from "../core/clock.ts";
import { type Log, silentLog } from "../core/log.ts";
import type { Secret } from "../core/secret.ts";
import { afterPass, afterPenalty, believable, dueAt, type GateLimits, type PassKind } from "./gate-rules.ts";
import { type GateStore, memoryStore, StoreBusy, sqliteStore } from "./gate-store.ts";

/** Who wants to call Clore.ai passes here first. */
export interface RateGate {
  /** Resolves when the request may be sent, in the order of asking; rejects with the signal's reason. */
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
  const hash = createHash("sha256").update(`${apiUrl.replace(/\/+$/, "")}\n${apiKey?.reveal() ?? ""}`);
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
      try {
        const now = this.#clock.now();
        this.#store.update((state) => afterPenalty(believable(state, now), ms, now));
        return;
      } catch (error) {
        await this.#overcome(error, tries);
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
      try {
        const pauseMs = this.#admitNext();
        tries = 1;
        if (pauseMs > 0) await this.#pause(pauseMs);
      } catch (error) {
        await this.#overcome(error, tries++);
      }
    }
    this.#serving = false;
  }

  /** Lets the first who is due pass, or says how long until one is. */
  #admitNext(): number {
    const now = this.#clock.now();
    let pauseMs = 0;
    let admitted: Waiter | undefined;
    this.#store.update((seen) => {
      const state = believable(seen, now);
      const due = (kind: PassKind) => dueAt(state, kind, this.#owner, this.#limits);
      // Of the first of each kind the one due earlier; when both are, the one that asked earlier.
      const first = this.#waiting.find(({ kind }) => due(kind) <= now);
      admitted = first;
      if (first !== undefined) return afterPass(state, first.kind, this.#owner, now);
      pauseMs = Math.min(...this.#waiting.map(({ kind }) => due(kind))) - now;
      return state;
    });
    if (admitted !== undefined) {
      this.#waiting.splice(this.#waiting.indexOf(admitted), 1);
      admitted.admit();
    }
    return pauseMs;
  }

  async #pause(ms: number): Promise<void> {
    this.#wake = new AbortController();
    await this.#clock.sleep(ms, this.#wake.signal).catch(() => {});
  }

  /** A locked file is waited for; one that stays locked or cannot be used is given up. */
  async #overcome(error: unknown, tries: number): Promise<void> {
    if (error instanceof StoreBusy && tries < busyTries) return this.#clock.sleep(10 + Math.random() * 20);
    this.#warn(error);
    try {
      this.#store.close();
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
