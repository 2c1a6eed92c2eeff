import { callFaults } from "./faults/calls.ts";
import { hostFaults } from "./faults/hosts.ts";
import { birthFaults } from "./faults/orders.ts";
import type { Birth, OrderBook } from "./orders/book.ts";
import type { Placed } from "./orders/placed.ts";
import type { Reply } from "./reply.ts";

/** When and where a fault strikes, and how hard. All parts are optional. */
export interface FaultOptions {
  /** The n-th matching call (or rental) from now, counted from 1. @default 1 */
  onCall?: number;
  /** How many matching calls (or rentals) in a row it strikes. @default 1; for good where the fault says so */
  times?: number;
  /** Only calls whose path ends so: `my_orders`. @default the fault's own */
  path?: string;
  /** Only the rental of this server. For faults of running machines: the order on it. */
  serverId?: number;
  /** Strikes this running order, at once. */
  orderId?: number;
  /** For the faults that last or wait: real milliseconds. */
  ms?: number;
  /** For cuts, stalls (bytes from the host until then) and slow lines (bytes per second). */
  bytes?: number;
  /** For wrong-gpu: what is there instead. @default an NVIDIA GeForce GTX 1050 Ti with 4 GB */
  gpu?: { name: string; vramGb: number };
  /** For price-changed. @default 1.5 */
  factor?: number;
}

/** Strikes at calls of the API. */
export interface CallFault {
  at: "call";
  /** End of the path it belongs to; `undefined`: any. */
  path?: string;
  /** Answers instead of the service; `undefined`: goes on. */
  before?(options: FaultOptions, stage: FaultStage): Reply | Promise<Reply | undefined> | undefined;
  /** Alters the answer of a call that was carried out; "cut" drops the connection. */
  after?(reply: Reply, options: FaultOptions, stage: FaultStage): Reply | "cut";
  /** What a renter sees. */
  seen: string;
}

/** Strikes at what is rented next. */
export interface BirthFault {
  at: "rental";
  strike(birth: Birth, options: FaultOptions): void;
  seen: string;
}

/** Strikes at the machine of an order: the next one that is rented, or with `orderId` one that runs. */
export interface HostFault {
  at: "host";
  strike(order: Placed, options: FaultOptions, stage: FaultStage): void | Promise<void>;
  /** Needs a machine that is up: strikes all running orders at once where neither server nor order is named. */
  running?: boolean;
  seen: string;
}

/** What faults may touch. */
export interface FaultStage {
  book: OrderBook;
  sleep(ms: number): Promise<void>;
}

/** Every fault by name. */
export const faultTable: Readonly<Record<string, CallFault | BirthFault | HostFault>> = {
  ...callFaults,
  ...birthFaults,
  ...hostFaults,
};

interface Ordered {
  name: string;
  options: FaultOptions;
  /** Matching calls or rentals until it strikes. */
  wait: number;
  left: number;
}

/** The faults that were ordered and have not struck out yet. */
export class Faults {
  readonly #stage: FaultStage;
  #ordered: Ordered[] = [];

  constructor(stage: FaultStage) {
    this.#stage = stage;
  }

  /**
   * Orders a fault by its name in `faultTable`. Resolves when a fault that strikes at once has struck.
   * @throws Error with the known names when there is none of this name
   * @example await emulator.faults.order("success-then-cut", { onCall: 2 })
   */
  async order(name: string, options: FaultOptions = {}): Promise<void> {
    const fault = faultTable[name];
    if (!fault) throw new Error(`no fault "${name}"; there are: ${Object.keys(faultTable).join(", ")}`);
    if (
      fault.at === "host" &&
      options.onCall === undefined &&
      (options.orderId !== undefined || fault.running)
    ) {
      const { orderId, serverId } = options;
      const targets = this.#stage.book
        .active()
        .filter(
          (order) =>
            (orderId === undefined || order.id === orderId) &&
            (serverId === undefined || order.row.id === serverId),
        );
      for (const order of targets) await fault.strike(order, options, this.#stage);
      return;
    }
    this.#ordered.push({ name, options, wait: options.onCall ?? 1, left: options.times ?? 1 });
  }

  /** Takes back what has not struck yet. Lines and machines that were altered stay so. */
  clear(): void {
    this.#ordered = [];
  }

  /** Faults for one call, counted; running-host faults that wait for a call strike here. */
  async forCall(path: string): Promise<{ name: string; fault: CallFault; options: FaultOptions }[]> {
    const struck: { name: string; fault: CallFault; options: FaultOptions }[] = [];
    for (const ordered of [...this.#ordered]) {
      const fault = faultTable[ordered.name]!;
      if (fault.at === "call") {
        const where = ordered.options.path ?? fault.path;
        if (where !== undefined && !path.endsWith(where)) continue;
        if (this.#count(ordered)) struck.push({ name: ordered.name, fault, options: ordered.options });
      } else if (fault.at === "host" && fault.running) {
        if (ordered.options.path !== undefined && !path.endsWith(ordered.options.path)) continue;
        if (this.#count(ordered)) {
          for (const order of this.#stage.book.active())
            await fault.strike(order, ordered.options, this.#stage);
        }
      }
    }
    return struck;
  }

  /** Faults of what is being rented now, counted. */
  forRental(serverId: number): {
    birth: ((birth: Birth) => void)[];
    host: ((order: Placed) => void | Promise<void>)[];
  } {
    const birth: ((birth: Birth) => void)[] = [];
    const host: ((order: Placed) => void | Promise<void>)[] = [];
    for (const ordered of [...this.#ordered]) {
      const fault = faultTable[ordered.name]!;
      const { options } = ordered;
      if (fault.at === "call" || (fault.at === "host" && fault.running)) continue;
      if (options.serverId !== undefined && options.serverId !== serverId) continue;
      if (!this.#count(ordered)) continue;
      if (fault.at === "rental") birth.push((one) => fault.strike(one, options));
      else host.push((order) => fault.strike(order, options, this.#stage));
    }
    return { birth, host };
  }

  #count(ordered: Ordered): boolean {
    if (--ordered.wait > 0) return false;
    if (--ordered.left <= 0) this.#ordered = this.#ordered.filter((one) => one !== ordered);
    return true;
  }
}
