import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { CloreClient } from "../../src/clore/client.ts";
import { openRateGate } from "../../src/clore/gate.ts";
import { SharedOrders } from "../../src/clore/shared-orders.ts";
import type { Clock } from "../../src/core/clock.ts";
import { Secret } from "../../src/core/secret.ts";
import { pricesInUsd, type RowOverride } from "../../src/emulator/market/rows.ts";
import { type Emulator, type EmulatorOptions, startEmulator } from "../../src/emulator/server.ts";
import { type Entry, Ledger } from "../../src/ledger/ledger.ts";
import type { OfferRequest } from "../../src/market/request.ts";
import { type AcquireIo, type AcquireRequest, acquire } from "../../src/rental/acquire.ts";
import type { LiveServer } from "../../src/rental/bring-up.ts";
import { type Choice, choose } from "../../src/rental/choose.ts";
import { HostBook } from "../../src/rental/host-book.ts";
import type { RentalRecord } from "../../src/rental/record.ts";
import { release } from "../../src/rental/release.ts";
import { whose } from "../../src/rental/whose.ts";
import { fingerprintOf, generateKeyPair } from "../../src/ssh/keypair.ts";
import { SshPool } from "../../src/ssh/pool.ts";
import { expectNoOrders } from "../support/engine.ts";

/** How many times as fast the emulator and our own waiting live. */
export const speed = 40;

/** Time that runs `speed` times as fast, so that limits of minutes can be met. */
export const fastClock: Clock = (() => {
  const start = Date.now();
  return {
    now: () => start + (Date.now() - start) * speed,
    async sleep(ms, signal) {
      signal?.throwIfAborted();
      await delay(ms / speed, undefined, { signal }).catch(() => signal?.throwIfAborted());
    },
  };
})();

/** Free servers with one RTX 3090 each: 101 at 1.00 USD per day, 102 at 1.10, and so on. */
export function cheapServers(count: number): RowOverride[] {
  return Array.from({ length: count }, (_, i) => {
    const usd = Number((1 + i / 10).toFixed(2));
    return { id: 101 + i, price: pricesInUsd(usd, usd * 0.8) };
  });
}

/** An emulator for a whole file, started and reached as a plugin does. */
export async function startMarket(options: EmulatorOptions = {}): Promise<Emulator> {
  return startEmulator({ machines: "sandbox", speed, marketSize: 0, market: cheapServers(4), ...options });
}

/** What one test rents with: own ledger, own memory of hosts, own SSH key. */
export class Renting implements AsyncDisposable {
  readonly emulator: Emulator;
  readonly directory = mkdtempSync(join(tmpdir(), "clore-renting-"));
  readonly ledger = new Ledger(this.directory);
  readonly hosts = new HostBook(this.directory);
  readonly keys = generateKeyPair("test");
  /** Every line that was logged: "status: …", "warn: …". */
  readonly lines: string[] = [];
  readonly io: AcquireIo;
  readonly #abort = new AbortController();
  readonly #gate;
  readonly #before: number;
  readonly startedAt = Date.now();
  #onLine: ((line: string) => void) | undefined;

  constructor(emulator: Emulator, apiKey = emulator.apiKey) {
    this.emulator = emulator;
    this.#before = emulator.ledger().orders.length;
    const key = new Secret(apiKey);
    const { directory } = this;
    const { apiUrl } = emulator;
    this.#gate = openRateGate({
      directory,
      apiUrl,
      apiKey: key,
      requestEveryMs: 1000 / speed,
      createEveryMs: 5000 / speed,
    });
    const clore = new CloreClient({ apiUrl, apiKey: key, gate: this.#gate });
    const say = (kind: string) => (message: string) => {
      this.lines.push(`${kind}: ${message}`);
      this.#onLine?.(`${kind}: ${message}`);
    };
    this.io = {
      clore,
      orders: new SharedOrders(clore, fastClock),
      ledger: this.ledger,
      hosts: this.hosts,
      ssh: new SshPool(),
      account: "account",
      reserved: new Set(),
      clock: fastClock,
      signal: this.#abort.signal,
      log: { status: say("status"), debug: say("debug"), info: say("info"), warn: say("warn") },
    };
  }

  choose(request: OfferRequest = {}, signal = this.io.signal): Promise<Choice> {
    return choose(
      { currency: "USD-Blockchain", ...request },
      { runHours: 8 },
      {
        clore: this.io.clore,
        log: this.io.log,
        signal,
        hasKey: true,
        memory: this.hosts.read(),
        taken: this.io.reserved,
        now: Date.now(),
      },
    );
  }

  want(change: Partial<AcquireRequest> = {}): AcquireRequest {
    return {
      urn: "urn:pulumi:dev::p::clore:index:Server::gpu",
      keyFingerprint: fingerprintOf(this.keys.publicKey),
      publicKey: this.keys.publicKey,
      privateKey: this.keys.privateKey,
      image: "cloreai/jupyter:ubuntu24.04-v2",
      autosshEntrypoint: false,
      ports: { 22: "tcp" },
      acquireMinutes: 60,
      bootMinutes: 10, // 15 s: a loaded machine starts sandboxes slowly
      maxPricePerDayUsd: undefined,
      promised: { gpuModel: "RTX 3090", gpuCount: 1 },
      ...change,
    };
  }

  async rent(change: Partial<AcquireRequest> = {}): Promise<LiveServer> {
    return acquire(await this.choose(), this.want(change), this.io);
  }

  /** Gives back with a fresh signal, as a later `destroy` does. */
  /** As users do it: once more while the server is too slow, at this speed, to let the key in. */
  async giveBack(record: RentalRecord): Promise<void> {
    const io = { ...this.io, signal: new AbortController().signal };
    for (let tries = 1; ; tries++) {
      try {
        return await release(record, "destroyed", {
          ...io,
          whose: (order) => whose(order, this.keys.privateKey, (owner) => owner === this.want().urn, io),
        });
      } catch (error) {
        if (tries === 10 || (error as { code?: string }).code !== "rental.unproven") throw error;
      }
    }
  }

  /** Resolves when a line that fits was logged. */
  async saw(pattern: RegExp): Promise<void> {
    while (!this.lines.some((line) => pattern.test(line))) await delay(10);
  }

  abort(): void {
    this.#abort.abort(new Error("interrupted"));
  }

  /** Aborts as soon as a line is logged that fits. */
  abortAt(pattern: RegExp): void {
    this.#onLine = (line) => {
      if (pattern.test(line)) this.abort();
    };
  }

  get warnings(): string[] {
    return this.lines.filter((line) => line.startsWith("warn: ")).map((line) => line.slice(6));
  }

  /** The orders of this test in the emulator's books. */
  get orders() {
    return this.emulator.ledger().orders.slice(this.#before);
  }

  /** What the ledger says, as "server outcome". */
  get outcomes(): string[] {
    return this.ledger.entries().map(({ serverId, outcome }: Entry) => `${serverId} ${outcome}`);
  }

  /** Fails when an order is left, so that no test leaks into the next. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.emulator.faults.clear();
    await this.io.ssh.closeAll();
    this.#gate.close();
    rmSync(this.directory, { recursive: true, force: true });
    await expectNoOrders(this.emulator);
  }
}
