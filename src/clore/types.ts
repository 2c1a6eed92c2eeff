/**
 * What Clore.ai speaks of, with units normalised once, here at the edge.
 * Every price is per *day* (24 h), RAM, VRAM and disk are in GB, speeds in Mbps. Source: docs/clore-api.md.
 */

/** The names of the currencies that an order can be paid in. Plain `USD` is refused by the service. */
export const currencies = ["bitcoin", "CLORE-Blockchain", "USD-Blockchain"] as const;
export type Currency = (typeof currencies)[number];

export type MarketKind = "on-demand" | "spot";

/** What one currency costs on one server, in that currency per day. `undefined`: not offered. */
export interface CurrencyPrice {
  onDemandPerDay: number | undefined;
  spotPerDay: number | undefined;
  /** The same in USD per day, where the service states or lets compute it. */
  onDemandPerDayUsd: number | undefined;
  spotPerDayUsd: number | undefined;
}

/** One server of the marketplace. */
export interface MarketServer {
  serverId: number;
  ownerId: number | undefined;
  rented: boolean;
  /** Exact marketplace name of the first GPU, trimmed ("RTX 4090"; "RTX 4090 D" is another). `undefined`: no GPU. */
  gpuModel: string | undefined;
  /** Trimmed names, one per GPU; more than one distinct name means a mixed machine. */
  gpus: readonly string[];
  vramGbPerGpu: number;
  ramGb: number;
  cpuModel: string | undefined;
  cpuCores: number;
  cpuThreads: number;
  diskGb: number;
  diskMbPerSecond: number | undefined;
  downMbps: number;
  upMbps: number;
  /** ISO 3166-1 alpha-2, upper case, from `specs.net.cc`. */
  country: string | undefined;
  /** 0 to 1. */
  reliability: number;
  rating: { average: number; count: number } | undefined;
  cudaVersion: string | undefined;
  /** Longest rental, in hours. */
  maxRentalHours: number;
  prices: Readonly<Partial<Record<Currency, CurrencyPrice>>>;
  /** What the host really accepts; a currency can be priced and be missing here. */
  allowedCurrencies: readonly Currency[];
}

/** The whole marketplace: what could be read, and how many rows could not and why. */
export interface Marketplace {
  servers: readonly MarketServer[];
  skipped: readonly { serverId: number | undefined; reason: string }[];
  /** Ids of servers that the key's owner hosts: they cannot be rented by the same account. */
  ownServerIds: readonly number[];
}

export interface Wallet {
  currency: string;
  balance: number;
  depositAddress: string | undefined;
}

/** One order of ours. */
export interface Order {
  orderId: number;
  serverId: number;
  image: string | undefined;
  market: MarketKind;
  currency: string;
  /** In `currency`, per day. */
  pricePerDay: number;
  /** Charged once, after the first 10 minutes, in `currency`. */
  creationFee: number;
  /** Spent so far, in `currency`. */
  spent: number;
  createdAt: Date;
  expired: boolean;
  /** Host online. Says nothing about the container. */
  online: boolean;
  /** `mon_container >= 1`: the container is up (sshd may not be). */
  containerUp: boolean;
  /** Public host names or addresses. */
  addresses: readonly string[];
  /** Container port → public port. */
  tcpPorts: Readonly<Record<number, number>>;
  httpPort: number | undefined;
  /** With scheme: a bare `http_pub` becomes `https://<name>`. */
  httpUrl: string | undefined;
  gpus: readonly string[];
  /** Longest rental in seconds (`my_orders` states seconds; the marketplace hours). */
  maxRentalSeconds: number | undefined;
}

export interface CreateOrderRequest {
  serverId: number;
  market: MarketKind;
  /** In `currency` per day; required on the spot market. */
  bidPerDay?: number;
  currency: Currency;
  image: string;
  /** Container port → protocol. At most one `http`. */
  ports?: Readonly<Record<number, "tcp" | "http">>;
  /** No secrets: the host is a stranger. Values with `&` or non-ASCII are refused by the service (500, code 1). */
  env?: Readonly<Record<string, string>>;
  /** OpenSSH public key, at most 3072 characters. */
  sshPublicKey?: string;
  command?: string;
  /** In `currency` per day: the service refuses when the price has changed. */
  requiredPricePerDay?: number;
  /** Adds SSH to an image that does not start it. */
  autosshEntrypoint?: boolean;
}

export interface SpotOffer {
  offerId: number | undefined;
  bidPerDay: number;
  active: boolean;
  mine: boolean;
  currency: string | undefined;
}

export interface SpotMarket {
  serverId: number;
  exists: boolean;
  offers: readonly SpotOffer[];
  online: boolean;
  minPricePerDay: Readonly<Partial<Record<Currency, number>>>;
  usdPerUnit: Readonly<Record<string, number>>;
}

export interface RenterFees {
  /** Share of the rent on top of it, 0.05 = 5 %. */
  onDemandShare: Readonly<Record<string, number>>;
  spotShare: Readonly<Record<string, number>>;
  creationFee: { onDemand: Readonly<Record<string, number>>; spot: Readonly<Record<string, number>> };
}

/** What handlers need of Clore.ai. `CloreClient` speaks it over HTTP. Every call can throw a `CloreApiError`. */
export interface CloreApi {
  wallets(signal?: AbortSignal): Promise<readonly Wallet[]>;
  marketplace(signal?: AbortSignal): Promise<Marketplace>;
  spotMarket(serverId: number, signal?: AbortSignal): Promise<SpotMarket>;
  myOrders(options?: { includeCompleted?: boolean }, signal?: AbortSignal): Promise<readonly Order[]>;
  /** Gives no id (the service has none to give): find the order in `myOrders`. */
  createOrder(request: CreateOrderRequest, signal?: AbortSignal): Promise<void>;
  cancelOrder(orderId: number, issue?: string, signal?: AbortSignal): Promise<void>;
  setSpotPrice(orderId: number, pricePerDay: number, signal?: AbortSignal): Promise<void>;
  renterFees(signal?: AbortSignal): Promise<RenterFees>;
}
