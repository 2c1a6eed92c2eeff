import { type FSWatcher, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, watch } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { LedgerOrder } from "../../../src/emulator/ledger.ts";
import type { RowOverride } from "../../../src/emulator/market/rows.ts";
import { type Emulator, startEmulator } from "../../../src/emulator/server.ts";
import { type Entry, Ledger, mayBill } from "../../../src/ledger/ledger.ts";
import { newKeyPair } from "../machines.ts";
import { type Driver, type DriverSettings, SmallEngineDriver } from "./driver.ts";
import type { SharedMachines } from "./machines.ts";
import { startTap, type Tap } from "./tap.ts";
import { Trace } from "./trace.ts";

/** How many times as fast as real the emulated service lives. */
export const speed = Number(process.env.CLORE_FAULT_SPEED ?? 40);

export interface WorldOptions {
  machines: SharedMachines;
  seed?: number;
  /** What runs Pulumi's commands. @default our small engine */
  driver?: (settings: DriverSettings) => Driver | Promise<Driver>;
  /** Orders of somebody else on the same account. @default 0 */
  foreign?: number;
  /** For the plugin, beside what points it at the emulator. */
  env?: Record<string, string>;
  /** Free servers in the market. @default 14 */
  offers?: number;
  /** @default `speed` */
  speed?: number;
  /** `clore:` configuration. */
  config?: Record<string, string>;
}

/** One account of an emulated Clore.ai, one stack, and the machines that it is worked on from. */
export class World implements AsyncDisposable {
  readonly emulator: Emulator;
  readonly trace: Trace;
  readonly tap: Tap;
  /** Ids of orders that are none of ours. */
  readonly foreign: ReadonlySet<number>;
  /** What billed right after each create that was carried out: URN → orders, and USD per day of all on the account. */
  readonly peaks: { byUrn: ReadonlyMap<string, readonly number[]>; usdPerDay: number }[] = [];
  readonly #root: string;
  readonly #env: Record<string, string> = {};
  #driver: Driver | undefined;
  readonly #homes: string[] = [];
  readonly #watchers: FSWatcher[] = [];
  #lines = 0;

  private constructor(
    root: string,
    emulator: Emulator,
    trace: Trace,
    tap: Tap,
    foreign: ReadonlySet<number>,
  ) {
    this.#root = root;
    this.emulator = emulator;
    this.trace = trace;
    this.tap = tap;
    this.foreign = foreign;
  }

  static async start({
    machines,
    seed = 1,
    foreign = 0,
    config = {},
    env = {},
    offers = 14,
    speed: pace = speed,
    driver = (settings) => new SmallEngineDriver(settings),
  }: WorldOptions): Promise<World> {
    const root = mkdtempSync(join(tmpdir(), "clore-world-"));
    const trace = new Trace();
    // Told of what lies behind, once the world is there.
    let notice = () => {};
    const emulator = await startEmulator({
      machines: machines.kind((step) => {
        notice();
        void trace.reach("ssh", `ssh ${step}`, "seen");
      }),
      speed: pace,
      seed,
      marketSize: 0,
      market: market(offers),
      stateDir: root,
    });
    const strangers = await rentForeign(emulator, foreign);
    let carried = (_path: string) => {};
    const tap = await startTap(emulator, {
      async reach(path, phase) {
        notice();
        await trace.reach("api", path, phase);
      },
      carried: (path) => carried(path),
    });
    const world = new World(root, emulator, trace, tap, strangers);
    Object.assign(world.#env, {
      PATH: process.env.PATH ?? "",
      HOME: root,
      CLORE_API_URL: tap.apiUrl,
      CLORE_API_KEY: emulator.apiKey,
      CLORE_EMULATOR_SPEED: String(pace),
      ...env,
      ...(process.env.CLORE_TEST_RUN ? { CLORE_TEST_RUN: process.env.CLORE_TEST_RUN } : {}),
    });
    world.moveTo("laptop");
    world.#driver = await driver({ env: world.#env, config: { lease: "8h", ...config } });
    notice = () => world.#noticeLedger();
    carried = (path) => {
      if (path === "create_order") world.#measure();
    };
    return world;
  }

  get driver(): Driver {
    if (!this.#driver) throw new Error("the world has not started");
    return this.#driver;
  }

  /** From now on the plugin runs on a machine with a ledger of its own. */
  moveTo(machine: string): void {
    const home = join(this.#root, `home-${machine}`);
    this.#env.CLORE_HOME = home;
    if (!this.#homes.includes(home)) {
      mkdirSync(home, { recursive: true });
      this.#homes.push(home);
      this.#watchers.push(watch(home, () => this.#noticeLedger()));
    }
    this.#lines = this.#ledgerText().split("\n").length - 1;
  }

  /** Our orders that bill. */
  live(): readonly LedgerOrder[] {
    return this.emulator.active().filter((order) => !this.foreign.has(order.orderId));
  }

  /** Our orders that bill, by the URN that the ledger names; "nobody's" where it names none. */
  liveByUrn(): Map<string, LedgerOrder[]> {
    const entries = this.entries().toSorted((a, b) => b.at.getTime() - a.at.getTime());
    // An intent is written before its create: the newest one for a server says whose an order is that nobody has seen yet.
    return Map.groupBy(
      this.live(),
      ({ orderId, serverId }) =>
        (
          entries.find((one) => one.orderId === orderId) ??
          entries.find((one) => one.serverId === serverId && one.orderId === undefined && mayBill(one))
        )?.urn ?? `nobody's #${serverId}`,
    );
  }

  /** All orders that were ever ours. */
  ours(): readonly LedgerOrder[] {
    return this.emulator.ledger().orders.filter((order) => !this.foreign.has(order.orderId));
  }

  /** What the plugins have written down, on whatever machine. */
  entries(): Entry[] {
    return this.#homes.flatMap((home) => new Ledger(home).entries());
  }

  /** Cuts the newest ledger line in half, as a crash in mid-write does. */
  tearLedger(): void {
    const text = this.#ledgerText();
    const start = text.lastIndexOf("\n", text.length - 2) + 1;
    truncateSync(this.#ledgerPath, start + Math.floor((text.length - start) / 2));
    this.#lines = text.split("\n").length - 2;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.driver.close();
    for (const watcher of this.#watchers) watcher.close();
    await this.tap[Symbol.asyncDispose]();
    await this.emulator.close();
    rmSync(this.#root, { recursive: true, force: true });
  }

  #measure(): void {
    const byUrn = this.liveByUrn();
    this.peaks.push({
      byUrn: new Map([...byUrn].map(([urn, orders]) => [urn, orders.map((order) => order.orderId)])),
      usdPerDay: this.emulator.active().reduce((sum, order) => sum + order.pricePerDayUsd, 0),
    });
  }

  get #ledgerPath(): string {
    return join(this.#env.CLORE_HOME ?? "", "ledger.jsonl");
  }

  #ledgerText(): string {
    try {
      return readFileSync(this.#ledgerPath, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
      throw error;
    }
  }

  #noticeLedger(): void {
    const lines = this.#ledgerText().split("\n").slice(0, -1);
    for (; this.#lines < lines.length; this.#lines++) {
      const { kind, outcome } = parse(lines[this.#lines] ?? "");
      void this.trace.reach("ledger", `ledger ${outcome ?? kind}`, "written");
    }
  }
}

function parse(line: string): { kind?: string; outcome?: string } {
  try {
    return JSON.parse(line) as { kind?: string; outcome?: string };
  } catch {
    return { kind: "torn" };
  }
}

/** Servers whose price differs, so that the choice is the same each time. Ids from 900 are rented by others. */
function market(offers: number): RowOverride[] {
  const price = (usd: number) => ({
    on_demand: { "USD-Blockchain": usd },
    spot: { "USD-Blockchain": usd / 2 },
  });
  const free = Array.from({ length: offers }, (_, i) => ({ id: 100 + i, price: price(1 + i / 100) }));
  return [...free, { id: 900, price: price(9) }, { id: 901, price: price(9) }];
}

async function rentForeign(emulator: Emulator, count: number): Promise<Set<number>> {
  for (let i = 0; i < count; ) {
    const answer = await fetch(`${emulator.apiUrl}/create_order`, {
      method: "POST",
      headers: { auth: emulator.apiKey },
      body: JSON.stringify({
        currency: "USD-Blockchain",
        image: "cloreai/jupyter:ubuntu24.04-v2",
        renting_server: 900 + i,
        type: "on-demand",
        ports: { "22": "tcp" },
        ssh_key: newKeyPair().publicKey,
      }),
    });
    if (answer.status === 200 && ((await answer.json()) as { code: number }).code === 0) i++;
    else await delay(20);
  }
  return new Set(emulator.active().map((order) => order.orderId));
}
