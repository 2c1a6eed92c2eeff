import type { z } from "zod";
import pkg from "../../package.json" with { type: "json" };
import { type Clock, systemClock } from "../core/clock.ts";
import { type Log, silentLog } from "../core/log.ts";
import type { Secret } from "../core/secret.ts";
import { readAnswer } from "./answer.ts";
import {
  CloreApiError,
  DatabaseError,
  InvalidTokenError,
  NoApiKeyError,
  RateLimitedError,
  UnexpectedShapeError,
} from "./errors.ts";
import { excerpt } from "./excerpt.ts";
import type { RateGate } from "./gate.ts";
import { send } from "./http.ts";
import { cancelBody, createOrderBody, spotPriceBody } from "./requests.ts";
import { backoffMs, retryLimits } from "./retry.ts";
import {
  marketplaceSchema,
  ordersSchema,
  renterFeesSchema,
  spotMarketSchema,
  walletsSchema,
} from "./schemas.ts";
import type {
  CloreApi,
  CreateOrderRequest,
  Marketplace,
  Order,
  RenterFees,
  SpotMarket,
  Wallet,
} from "./types.ts";

export const defaultApiUrl = "https://api.clore.ai/v1";

export interface CloreClientOptions {
  /** With the version, without a slash at the end. @default "https://api.clore.ai/v1" */
  apiUrl?: string;
  /** Without it only the marketplace can be read. */
  apiKey: Secret | undefined;
  /** Shared by everything that uses the same key: see gate.ts. */
  gate: RateGate;
  /** Of one request, from sending to the last byte, in milliseconds. @default 30000 */
  timeoutMs?: number;
  /** For pauses between retries. @default the system's */
  clock?: Clock;
  log?: Log;
}

/** Cloudflare refuses odd user agents; this one says plainly who asks. */
const userAgent = `${pkg.name}/${pkg.version} node/${process.versions.node}`;

interface Call<T> {
  endpoint: string;
  method: "GET" | "POST";
  query?: Readonly<Record<string, string>>;
  body?: Record<string, unknown>;
  schema: z.ZodType<T> | undefined;
  keyless?: boolean;
  signal: AbortSignal | undefined;
}

/**
 * Clore.ai over HTTP. Reads are repeated after 429, 5xx, code 1 and network failures, a bounded number of times.
 * Writes (create, cancel, bid) are repeated only after an explicit 429, which says that nothing happened; any other
 * unclear end is an error with `retry: "look-first"`.
 * @throws CloreApiError (errors.ts, refusals.ts), InputError, or the signal's reason when nothing was under way
 * @example new CloreClient({ apiKey: new Secret(key), gate: openRateGate({ directory, apiUrl, apiKey }) })
 */
export class CloreClient implements CloreApi {
  readonly #options: Required<Omit<CloreClientOptions, "apiKey">> & { apiKey: Secret | undefined };

  constructor(options: CloreClientOptions) {
    this.#options = {
      apiUrl: (options.apiUrl ?? defaultApiUrl).replace(/\/+$/, ""),
      apiKey: options.apiKey,
      gate: options.gate,
      timeoutMs: options.timeoutMs ?? 30_000,
      clock: options.clock ?? systemClock,
      log: options.log ?? silentLog,
    };
  }

  async wallets(signal?: AbortSignal): Promise<readonly Wallet[]> {
    return (await this.#read("wallets", walletsSchema, signal)).wallets;
  }

  marketplace(signal?: AbortSignal): Promise<Marketplace> {
    return this.#call({
      endpoint: "marketplace",
      method: "GET",
      schema: marketplaceSchema,
      keyless: true,
      signal,
    });
  }

  spotMarket(serverId: number, signal?: AbortSignal): Promise<SpotMarket> {
    return this.#read("spot_marketplace", spotMarketSchema(serverId), signal, { market: String(serverId) });
  }

  /** An empty listing proves nothing: it must not be taken for "no orders". */
  myOrders(options: { includeCompleted?: boolean } = {}, signal?: AbortSignal): Promise<readonly Order[]> {
    const query = { return_completed: String(options.includeCompleted ?? false) };
    return this.#read("my_orders", ordersSchema, signal, query);
  }

  async createOrder(request: CreateOrderRequest, signal?: AbortSignal): Promise<void> {
    await this.#write("create_order", createOrderBody(request), signal);
  }

  /** @throws OrderNotActiveError and its like when the order is over already: for most callers a success */
  async cancelOrder(orderId: number, issue?: string, signal?: AbortSignal): Promise<void> {
    await this.#write("cancel_order", cancelBody(orderId, issue), signal);
  }

  async setSpotPrice(orderId: number, pricePerDay: number, signal?: AbortSignal): Promise<void> {
    await this.#write("set_spot_price", spotPriceBody(orderId, pricePerDay), signal);
  }

  renterFees(signal?: AbortSignal): Promise<RenterFees> {
    return this.#read("renter_fees", renterFeesSchema, signal);
  }

  #read<T>(
    endpoint: string,
    schema: z.ZodType<T>,
    signal: AbortSignal | undefined,
    query?: Record<string, string>,
  ): Promise<T> {
    return this.#call({ endpoint, method: "GET", schema, signal, query });
  }

  #write(endpoint: string, body: Record<string, unknown>, signal: AbortSignal | undefined): Promise<unknown> {
    return this.#call({ endpoint, method: "POST", schema: undefined, signal, body });
  }

  /** Once through the gate and over the wire an attempt, until it is answered or not worth another. */
  async #call<T>(call: Call<T>): Promise<T> {
    const { gate, clock, log } = this.#options;
    const write = call.method === "POST";
    const key = this.#key(call, write);
    for (let failed = 0, limited = 0; ; ) {
      await gate.pass(call.endpoint === "create_order" ? "create" : "request", call.signal);
      try {
        return await this.#attempt(call, write, key);
      } catch (error) {
        if (!(error instanceof CloreApiError)) throw error;
        log.debug(`${call.endpoint}: ${error.code}${error.seen ? ` (${error.seen})` : ""}`);
        if (error instanceof RateLimitedError) {
          if (++limited > retryLimits.rateLimited) throw error;
          await gate.penalise(error.retryAfterMs ?? backoffMs(limited, gate.requestEveryMs));
        } else {
          if (write || !isPassing(error) || ++failed > retryLimits.failed) throw error;
          await clock.sleep(backoffMs(failed, gate.requestEveryMs), call.signal);
        }
      }
    }
  }

  async #attempt<T>(call: Call<T>, write: boolean, key: string | undefined): Promise<T> {
    const { apiUrl, timeoutMs, log } = this.#options;
    const started = performance.now();
    const answer = await send({
      endpoint: call.endpoint,
      url: `${apiUrl}/${call.endpoint}${call.query ? `?${new URLSearchParams(call.query)}` : ""}`,
      method: call.method,
      headers: {
        accept: "application/json",
        "user-agent": userAgent,
        ...(call.body ? { "content-type": "application/json" } : {}),
        ...(key === undefined ? {} : { auth: key }),
      },
      body: call.body && JSON.stringify(call.body),
      write,
      timeoutMs,
      signal: call.signal,
    });
    log.debug(
      `${call.method} ${call.endpoint}: HTTP ${answer.status}, ${Math.round(performance.now() - started)} ms`,
    );
    const asked = { endpoint: call.endpoint, write, secrets: key === undefined ? [] : [key] };
    const json = readAnswer(answer, asked);
    if (call.schema === undefined) return undefined as T;
    const parsed = call.schema.safeParse(json);
    if (parsed.success) return parsed.data;
    const issue = parsed.error.issues[0];
    throw new UnexpectedShapeError({
      endpoint: call.endpoint,
      write,
      httpStatus: answer.status,
      seen: excerpt(`${issue?.path.join(".")}: ${issue?.message}`, asked.secrets),
      cause: parsed.error,
    });
  }

  /** A key that no header can carry is refused here: fetch's own error would quote it. */
  #key({ endpoint, keyless }: Call<unknown>, write: boolean): string | undefined {
    const key = this.#options.apiKey?.reveal().trim();
    if (key === undefined || key === "") {
      if (keyless) return undefined;
      throw new NoApiKeyError({ endpoint, write });
    }
    if (!/^[\x21-\x7e]+$/.test(key)) {
      throw new InvalidTokenError({
        endpoint,
        write,
        seen: "a key with spaces or characters that are not ASCII",
      });
    }
    return key;
  }
}

/** Whether a read that failed so may succeed in a moment: the network, a 5xx, code 1; not an answer of another form. */
function isPassing(error: CloreApiError): boolean {
  return error.retry === "later" && ((error.httpStatus ?? 500) >= 500 || error instanceof DatabaseError);
}
