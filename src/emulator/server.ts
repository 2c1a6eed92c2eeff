import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, systemClock } from "../core/clock.ts";
import { endpoints, type World } from "./api.ts";
import { type FaultOptions, Faults } from "./faults.ts";
import { type Ledger, type LedgerOrder, ledgerOf } from "./ledger.ts";
import { dockerMachines } from "./machines/docker.ts";
import type { Variant } from "./machines/image.ts";
import { noMachines } from "./machines/none.ts";
import { variantFor } from "./machines/order-image.ts";
import { removeOrphans } from "./machines/orphans.ts";
import { sandboxMachines } from "./machines/sandbox.ts";
import type { MachineKind } from "./machines/types.ts";
import { generateMarket } from "./market/generate.ts";
import { type Coin, type Row, type RowOverride, usdPerCoin } from "./market/rows.ts";
import { OrderBook } from "./orders/book.ts";
import { seeded } from "./random.ts";
import { Rates } from "./rates.ts";
import { cut, invalid, type Reply, tooFast, wrongEndpoint, wrongToken } from "./reply.ts";
import { EmulatedTime } from "./time.ts";

export interface EmulatorOptions {
  /** On 127.0.0.1; 0 takes any free one. @default 0 */
  port?: number;
  /** @default 32 random characters */
  apiKey?: string;
  /** What stands behind an order; several emulators may share machines of one's own. @default "sandbox" */
  machines?: MachineKind["name"] | MachineKind;
  /**
   * For docker: which kind of host, for all orders or by the order's image.
   * @default a real Ollama where the image is ollama/ollama, else "plain" (unprivileged, as on Clore.ai)
   */
  variant?: Variant | ((image: string) => Variant);
  /** The same seed gives the same market and the same delays. @default 1 */
  seed?: number;
  /** How many times as fast the emulated service lives: delays and limits are shorter, rent accrues faster. @default 1 */
  speed?: number;
  /** Balance per coin, in that coin. @default worth 500 USD each */
  wallets?: Partial<Record<Coin, number>>;
  /** Rows to change (known id) or to add (new id). */
  market?: readonly RowOverride[];
  /** Made-up rows; 0 leaves only `market`. @default 2100 */
  marketSize?: number;
  /** Folder for the machines' files; it is made, and what was put there is removed. @default a temporary one */
  stateDir?: string;
  /** @default the system's */
  clock?: Clock;
  /** Progress of slow preparations (building the machine image) and what went wrong with a machine. */
  onProgress?(message: string): void;
}

/** One call of the API. Holds neither key nor body. */
export interface LoggedRequest {
  /** Milliseconds since the epoch, real time. */
  at: number;
  method: string;
  path: string;
  ip: string;
  /** 0: the connection was cut. */
  status: number;
  code: number | undefined;
  /** Names of the faults that struck. */
  faults: readonly string[];
}

export interface Emulator extends AsyncDisposable {
  /** With /v1: what `CLORE_API_URL` wants. */
  apiUrl: string;
  apiKey: string;
  /** Every order there was, with what it cost. */
  ledger(): Ledger;
  /** Orders that bill. */
  active(): readonly LedgerOrder[];
  faults: { order(name: string, options?: FaultOptions): Promise<void>; clear(): void };
  /** Every call of the API so far, refused ones included. */
  requests: readonly LoggedRequest[];
  /** Ends every order and machine and leaves no process, folder or container. Safe to call twice. */
  close(): Promise<void>;
}

/**
 * Starts a local Clore.ai on loopback: its API, a market, and a machine behind every order.
 * @example
 * const clore = await startEmulator({ machines: "sandbox", speed: 20 });
 * process.env.CLORE_API_URL = clore.apiUrl;
 */
export async function startEmulator(options: EmulatorOptions = {}): Promise<Emulator> {
  const apiKey = options.apiKey ?? randomBytes(24).toString("base64url").slice(0, 32);
  const time = new EmulatedTime(options.speed, options.clock);
  const progress = options.onProgress ?? (() => {});
  if (options.stateDir) await mkdir(options.stateDir, { recursive: true });
  const parent = options.stateDir ?? tmpdir();
  await removeOrphans(parent);
  const folder = await mkdtemp(join(parent, `clore-emulator-${process.pid}-`));
  const machines = await machineKind(options, folder, progress);
  const rows = generateMarket(options.seed ?? 1, options.marketSize ?? 2100, options.market);
  const market = new Map(
    (rows as Row[]).filter((row) => typeof row.id === "number").map((row) => [row.id, row]),
  );
  const wallets: Record<Coin, number> = {
    "USD-Blockchain": 500,
    bitcoin: 500 / usdPerCoin.bitcoin,
    "CLORE-Blockchain": 500 / usdPerCoin["CLORE-Blockchain"],
    ...options.wallets,
  };
  const random = seeded((options.seed ?? 1) + 1);
  const book = new OrderBook({ time, random, machines, wallets, market, onProblem: progress });
  const clock = options.clock ?? systemClock;
  const stage = { book, sleep: (ms: number) => clock.sleep(ms) };
  const faults = new Faults(stage);
  const world: World = { time, rows, market, wallets, book, faults };
  const requests: LoggedRequest[] = [];
  const rates = new Rates(time);
  const server = createServer((request, response) => void serve(request, response));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as { port: number };
  const settling = setInterval(() => book.settle(), 1000); // what runs out ends without being asked for
  settling.unref();

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://127.0.0.1");
    try {
      const text = await read(request);
      if (url.pathname.startsWith("/_emulator/"))
        return send(response, await control(url.pathname, request.method, text));
      const [reply, struck] = await answer(url, request, text);
      requests.push({
        at: time.outside(),
        method: request.method ?? "",
        path: url.pathname,
        ip: request.socket.remoteAddress ?? "",
        status: reply.status,
        code: typeof reply.body === "string" ? undefined : (reply.body.code as number),
        faults: struck,
      });
      if (reply.status === 0) request.socket.destroy();
      else send(response, reply);
    } catch (error) {
      progress(`${url.pathname}: ${error instanceof Error ? error.stack : error}`);
      send(response, { status: 500, body: { code: 1 } });
    }
  }

  /** Key, endpoint and rate first; faults strike only calls that would have been carried out. */
  async function answer(url: URL, request: IncomingMessage, text: string): Promise<[Reply, string[]]> {
    const name = url.pathname.replace(/^\/v1/, "");
    const endpoint =
      url.pathname.startsWith("/v1/") && Object.hasOwn(endpoints, name) ? endpoints[name] : undefined;
    const { auth } = request.headers;
    if (auth !== apiKey && !(auth === undefined && endpoint?.open)) return [wrongToken, []];
    if (!endpoint || request.method !== endpoint.method) return [wrongEndpoint, []];
    if (auth !== undefined && !rates.allows(name === "/create_order")) return [tooFast, []];

    const struck = await faults.forCall(url.pathname);
    const names = struck.map((one) => one.name);
    for (const { fault, options: how } of struck) {
      const instead = await fault.before?.(how, stage);
      if (instead) return [instead, names];
    }
    const body = endpoint.method === "POST" ? parse(text) : {};
    const reply = body ? await endpoint.run(world, { query: url.searchParams, body }) : invalid("body");
    for (const { fault, options: how } of struck) {
      const altered = fault.after?.(reply, how, stage);
      if (altered) return [altered === "cut" ? cut : altered, names];
    }
    return [reply, names];
  }

  /** The emulator's own side door, for tests and demos in other languages. */
  async function control(path: string, method: string | undefined, text: string): Promise<Reply> {
    if (path === "/_emulator/ledger") return { status: 200, body: { ...ledgerOf(book) } };
    if (path === "/_emulator/requests") return { status: 200, body: { requests } };
    if (path !== "/_emulator/faults") return wrongEndpoint;
    if (method === "DELETE") faults.clear();
    else if (method === "POST") {
      const { name, ...how } = (parse(text) ?? {}) as { name?: string } & FaultOptions;
      try {
        await faults.order(name ?? "", how);
      } catch (error) {
        return { status: 400, body: { error: (error as Error).message } };
      }
    } else return wrongEndpoint;
    return { status: 200, body: { ok: true } };
  }

  let closing: Promise<void> | undefined;
  const closeOnce = async (): Promise<void> => {
    clearInterval(settling);
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
    await book.close();
    await machines.close();
    await rm(folder, { recursive: true, force: true });
  };

  const close = () => (closing ??= closeOnce());
  return {
    apiUrl: `http://127.0.0.1:${port}/v1`,
    apiKey,
    ledger: () => ledgerOf(book),
    active: () => ledgerOf(book).orders.filter((order) => order.ended === undefined),
    faults,
    requests,
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function machineKind(options: EmulatorOptions, folder: string, progress: (message: string) => void) {
  if (typeof options.machines === "object") return options.machines;
  if (options.machines === "none") return noMachines;
  if (options.machines !== "docker") return sandboxMachines(folder);
  return dockerMachines({ variant: options.variant ?? variantFor, onProgress: progress });
}

async function read(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    size += piece.length;
    if (size <= 1_048_576) pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function send(response: ServerResponse, reply: Reply): void {
  const isPage = typeof reply.body === "string";
  response.writeHead(reply.status, {
    "content-type": isPage ? "text/html; charset=UTF-8" : "application/json; charset=utf-8",
  });
  response.end(isPage ? (reply.body as string) : JSON.stringify(reply.body));
}
