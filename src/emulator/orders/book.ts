import { Front } from "../machines/front.ts";
import { bringsSsh } from "../machines/order-image.ts";
import type { Gpu, MachineKind } from "../machines/types.ts";
import { type Coin, type Row, usdPerCoin } from "../market/rows.ts";
import type { Random } from "../random.ts";
import { ok, type Reply, refused } from "../reply.ts";
import type { EmulatedTime } from "../time.ts";
import { accrue, creationFee } from "./money.ts";
import type { Placed } from "./placed.ts";
import type { CreateRequest } from "./request.ts";

export interface BookOptions {
  time: EmulatedTime;
  random: Random;
  machines: MachineKind;
  /** Balances per coin; goes down as rent accrues. */
  wallets: Record<Coin, number>;
  /** Every row with an id, by it. */
  market: ReadonlyMap<number, Row>;
  onProblem(message: string): void;
}

/** What a fault may change about an order as it is made. */
export interface Birth {
  extraVisibleMs: number;
  stuck: boolean;
  /** The price is so many times the listed one. */
  priceFactor: number;
  /** `undefined`: as promised. */
  gpus: readonly Gpu[] | undefined;
  diskFull: boolean;
}

/** Every order there ever was, what it costs, and its machine. */
export class OrderBook {
  readonly all: Placed[] = [];
  readonly #options: BookOptions;
  readonly #ending = new Set<Promise<void>>();
  #nextId: number;
  #closed = false;

  constructor(options: BookOptions) {
    this.#options = options;
    this.#nextId = options.random.whole(1_900_000, 1_999_000);
  }

  /** Rents, or says why not, in the order in which the service seems to look. */
  async create(request: CreateRequest, birth: Birth): Promise<Reply | Placed> {
    const { time, random, wallets, market } = this.#options;
    this.settle();
    const row = market.get(request.serverId);
    if (this.#closed) return refused("server-offline");
    if (!row?.price) return refused("server-dont-exist");
    if (row.gigaspot) return refused("machine-is-on-gigaspot");
    const priced = request.kind === "spot" ? row.price.spot : row.price.on_demand;
    const listed = priced?.[request.coin];
    if (!listed || !row.allowed_coins?.includes(request.coin)) return refused("currency-not-allowed");
    const ours = this.active().find((order) => order.row.id === row.id);
    if (ours)
      return refused(
        ours.kind === "spot" && request.kind === "spot"
          ? "you_already_have_spot_order"
          : "server-already-rented",
      );
    if (row.rented) return refused("server-already-rented");
    const asked = listed * birth.priceFactor;
    const price = request.kind === "spot" ? request.spotPrice! : asked;
    if (request.kind === "spot" && price < Math.max(asked, highestBid(row, request.coin)))
      return refused("too_low_price");
    // The name of this refusal is not known: any client has to take an unknown name as "not rented".
    if (request.requiredPrice !== undefined && Math.abs(request.requiredPrice - price) > price * 1e-6)
      return refused("required_price_mismatch");
    if (wallets[request.coin] < price / 24) return refused("not_enough_balance");

    const now = time.now();
    const front: Front = new Front(
      request.tcpPorts,
      request.httpPort,
      () => !order.outbid && this.booted(order),
    );
    const order: Placed = {
      id: this.#nextId,
      row,
      image: request.image,
      kind: request.kind,
      coin: request.coin,
      pricePerDay: price,
      createdAt: now,
      createdOutside: Math.floor(time.outside() / 1000),
      visibleAt: now + random.between(300, 2000) + birth.extraVisibleMs,
      bootedAt: now + random.between(2500, 5000),
      outbid: false,
      stuck: birth.stuck || !bringsSsh(request),
      minutesPaid: 0,
      creationFeePaid: false,
      rent: 0,
      paid: 0,
      front,
      httpPort: request.httpPort,
      starting: Promise.resolve(undefined),
    };
    this.#nextId += random.whole(1, 9);
    this.all.push(order);
    const opened = front.open();
    order.starting = opened.then(() => this.#start(order, request, birth)); // at once, so that `end` always waits for it
    this.settle();
    await opened;
    return order;
  }

  active(): Placed[] {
    return this.all.filter((order) => order.endedAt === undefined);
  }

  /** Brings money up to now, and ends what has run its time or what nobody can pay any more. */
  settle(): void {
    const { time, wallets } = this.#options;
    const now = time.now();
    for (const order of this.active()) {
      wallets[order.coin] -= accrue(order, now);
      if (now - order.createdAt >= order.row.mrl * 3_600_000) this.end(order, "expired");
      else if (wallets[order.coin] < 0) this.end(order, "no money");
    }
  }

  cancel(id: number): Reply {
    this.settle();
    const order = this.all.find((one) => one.id === id);
    if (!order) return refused("you_dont_own_this_order");
    if (order.endedAt !== undefined) return refused("order_not_active");
    this.end(order, "cancelled");
    return ok();
  }

  /** Nothing is billed from here on; the machine goes in the background, `close` waits for that. */
  end(order: Placed, why: NonNullable<Placed["endedWhy"]>): void {
    if (order.endedAt !== undefined) return;
    const { time } = this.#options;
    order.endedAt = time.now();
    order.endedOutside = time.outside();
    order.endedWhy = why;
    const gone = (async () => {
      const machine = await order.starting;
      await Promise.all([order.front.close(), machine?.end()]);
    })().catch((error) =>
      this.#options.onProblem(`order ${order.id}: its machine was not removed: ${error}`),
    );
    this.#ending.add(gone);
    void gone.then(() => this.#ending.delete(gone));
  }

  problem(message: string): void {
    this.#options.onProblem(message);
  }

  /** Ends every order and resolves when no machine is left. Nothing can be rented from then on. */
  async close(): Promise<void> {
    this.#closed = true;
    this.settle();
    for (const order of this.active()) this.end(order, "cancelled");
    await Promise.all(this.#ending);
  }

  /** A my_orders row. Labels, env and command are not echoed, as observed. */
  show(order: Placed): Record<string, unknown> {
    const { row, front } = order;
    const up = order.endedAt === undefined && !order.stuck && !order.outbid && this.booted(order);
    return {
      id: order.id,
      creation_fee: creationFee[order.coin],
      price: order.pricePerDay,
      mrl: row.mrl * 3600, // hours in the marketplace, seconds here
      image: order.image,
      currency: order.coin,
      spend: order.rent,
      ct: order.createdOutside,
      specs: row.specs,
      si: row.id,
      mon_container: up ? 1 : 0,
      online: true,
      pub_cluster: ["127.0.0.1"],
      tcp_ports: [...front.lines].map(([container, line]) => `${container}:${line.port}`),
      ...(front.http
        ? { http_port: String(order.httpPort), http_pub: `http://127.0.0.1:${front.http.port}` }
        : {}),
      ...(order.kind === "spot" ? { spot: true } : {}),
      ...(order.endedAt === undefined ? {} : { expired: true }),
      rating: row.rating,
      reliability: row.reliability,
      owner: row.owner,
      cuda_version: row.cuda_version,
      gpu_array: row.gpu_array,
    };
  }

  booted(order: Placed): boolean {
    const noMachine = this.#options.machines.name === "none";
    return this.#options.time.now() >= order.bootedAt && (noMachine || order.front.machine !== undefined);
  }

  async #start(order: Placed, request: CreateRequest, birth: Birth): Promise<Placed["front"]["machine"]> {
    if (order.endedAt !== undefined) return undefined;
    if (!bringsSsh(request)) {
      order.failure = `${order.image} starts no sshd, and the order has no autossh_entrypoint: mon_container stays 0`;
      this.#options.onProblem(`order ${order.id}: ${order.failure}`);
      return undefined;
    }
    const promised = gpusOf(order.row);
    try {
      const machine = await this.#options.machines.start({
        orderId: order.id,
        serverId: order.row.id,
        image: order.image,
        gpus: promised,
        sshKey: request.sshKey,
        sshPassword: request.sshPassword,
        ports: [...request.tcpPorts, request.httpPort].filter(
          (port) => port !== undefined && port !== 22,
        ) as number[],
        env: request.env,
        command: request.command,
        diskFull: birth.diskFull,
      });
      if (birth.gpus) await machine.setGpus(birth.gpus);
      if (order.endedAt === undefined && !order.stuck) order.front.machine = machine;
      return machine;
    } catch (error) {
      order.failure = error instanceof Error ? error.message : String(error);
      this.#options.onProblem(`order ${order.id}: its machine did not start: ${order.failure}`);
      return undefined;
    }
  }
}

/** What an order has cost so far, in USD, fees included. */
export function paidUsd(order: Placed): number {
  return order.paid * usdPerCoin[order.coin];
}

/** Other people's bids on a spot server: made up from its id, the same each time. */
export function foreignBids(row: Row, coin: Coin): number[] {
  const floor = row.price.spot?.[coin];
  if (!floor || row.id % 5 !== 0) return [];
  return [Number((floor * 1.1).toPrecision(6))];
}

function highestBid(row: Row, coin: Coin): number {
  return Math.max(0, ...foreignBids(row, coin));
}

function gpusOf(row: Row): Gpu[] {
  const full = row.specs.gpu?.replace(/^\d+x /, "") ?? "";
  return (row.gpu_array ?? []).map((name, i) => ({
    name: full && !full.startsWith("Mixed") ? full : `NVIDIA GeForce ${name.trim()}`,
    vramGb: row.specs.gpus?.[i]?.mem ?? row.specs.gpuram ?? 0,
  }));
}
