import * as pulumi from "@pulumi/pulumi";
import type { Currency, MarketKind } from "../clore/types.ts";
import type { HostFacts } from "../host/types.ts";
import type { ModelArgs } from "./model.ts";
import type { ServiceArgs } from "./service.ts";

/** How to log in to a server; handed from a Server to what runs on it. A secret as a whole. */
export interface Connection {
  address: string;
  port: number;
  user: string;
  privateKey: string;
  /** Pinned at first contact: a changed key is refused. */
  hostKey: string;
  /** The order behind a rented server; undefined on an existing host. */
  orderId?: number;
}

/** What both kinds of Server need. */
interface CommonArgs {
  /** The key to log in with: an SshKey, or a pair of your own (ed25519, OpenSSH text). Replaces a rented server. */
  sshKey: { publicKey?: pulumi.Input<string>; privateKey: pulumi.Input<string> };
}

/** An existing host: nothing is rented. */
export interface ExistingServerArgs extends CommonArgs {
  /** Host name or address. Replaces. */
  address: pulumi.Input<string>;
  /** SSH port. Replaces. @default 22 */
  port?: pulumi.Input<number>;
  /** Login user. Replaces. @default "root" */
  user?: pulumi.Input<string>;
  /** `ssh-ed25519 AAAA…`, when you know it; otherwise pinned at first contact. Replaces. */
  hostKey?: pulumi.Input<string>;
}

/** What a rented server must prove before it is kept. Write what Service and Model will ask of it: it is done once. */
export interface ServerTrial {
  /** Set up first, in this order. */
  services?: pulumi.Input<
    pulumi.Input<Omit<ServiceArgs, "server" | "name"> & { name: pulumi.Input<string> }>[]
  >;
  /** Then pulled, loaded and measured, in this order. */
  models?: pulumi.Input<pulumi.Input<Omit<ModelArgs, "server">>[]>;
}

/**
 * What to rent. Limits (`min…`, `max…`, countries) replace a running server only when it does not satisfy them;
 * prices never do.
 */
export interface RentedServerArgs extends CommonArgs {
  /**
   * GPU model by its exact marketplace name; case and spaces do not matter ("rtx 4090" is "RTX 4090", and not
   * "RTX 4090 D"). Of a list any will do, and the cheapest way to finish wins; without it any server will do, with or
   * without a GPU.
   * @throws input.invalid with the nearest names when there is no such model
   * @example { gpu: "RTX 3060", minVramGb: 12 }
   * @example { gpu: ["RTX 3090", "RTX 4090"] }
   */
  gpu?: pulumi.Input<string | pulumi.Input<string>[]>;
  /** How many GPUs the server has, exactly. @default 1 when `gpu` is given */
  gpuCount?: pulumi.Input<number>;
  /** VRAM of each GPU, in GB. @default no limit */
  minVramGb?: pulumi.Input<number>;
  /** In GB. @default no limit */
  minRamGb?: pulumi.Input<number>;
  /** In GB. @default 10 */
  minDiskGb?: pulumi.Input<number>;
  /** Physical cores. @default no limit */
  minCpuCores?: pulumi.Input<number>;
  /** Download speed as the marketplace states it, in Mbps. @default no limit */
  minDownMbps?: pulumi.Input<number>;
  /**
   * What will be downloaded there before it is of use (models), in GB: a slow line then costs paid time, and counts when
   * offers are ranked. Never replaces. @default 0
   */
  loadGb?: pulumi.Input<number>;
  /** In Mbps. @default no limit */
  minUpMbps?: pulumi.Input<number>;
  /** Share of time that the host was reachable, 0 to 1. @default 0.8 */
  minReliability?: pulumi.Input<number>;
  /** ISO 3166-1 alpha-2 codes: only these. @default all @example ["DE", "NL"] */
  countries?: pulumi.Input<pulumi.Input<string>[]>;
  /** ISO 3166-1 alpha-2 codes: none of these. */
  excludeCountries?: pulumi.Input<pulumi.Input<string>[]>;
  /** Ids of servers never to rent. */
  excludeServers?: pulumi.Input<pulumi.Input<number>[]>;
  /** On-demand keeps its price; spot is cheaper and can be outbid. Replaces. @default "on-demand" */
  market?: pulumi.Input<MarketKind>;
  /** What to bid on the spot market, in USD per day, and never more. @default the lowest price that the server takes */
  bidPricePerDay?: pulumi.Input<number>;
  /**
   * The most to pay, in USD per day (24 h). Dearer offers are never rented; fees are not counted.
   * Changing it does not replace a running server.
   * @default no cap   @throws market.no-offer when nothing is that cheap   @example 6
   */
  maxPricePerDay?: pulumi.Input<number>;
  /** What to pay with. `auto`: the cheapest that the wallet can pay. Replaces. @default "auto" */
  currency?: pulumi.Input<"auto" | Currency>;
  /**
   * The order's image. It must start sshd, or have `autosshEntrypoint`. Replaces.
   * @default "cloreai/jupyter:ubuntu24.04-v2"
   */
  image?: pulumi.Input<string>;
  /** Ask the platform to add SSH to an image that does not start it. Replaces. @default false */
  autosshEntrypoint?: pulumi.Input<boolean>;
  /**
   * Environment of the order's container. It passes through the marketplace and lies open on the host: a secret is
   * refused (a Service has `secretEnv`), and so are `&` and non-ASCII, which the API fails on. Replaces.
   * @example { OLLAMA_NUM_PARALLEL: "4" }
   */
  env?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  /**
   * Shell command that the platform starts in the container, as open as `env`. A Service is the better way to run
   * something: it is watched, and changed without another server. Replaces.
   */
  command?: pulumi.Input<string>;
  /** Container port → protocol; at most one `http`. 22/tcp is always there. Replaces. @example { "8080": "http" } */
  ports?: pulumi.Input<Record<string, pulumi.Input<"tcp" | "http">>>;
  /**
   * For how long, from the order on: "90m", "8h", "3d", or "none". Used to rank offers; `clore guard` enforces it.
   * Never replaces: it can be made longer and shorter. It must be said here or for the whole stack.
   * @default the config value `clore:lease` (`pulumi config set clore:lease 8h`)
   */
  lease?: pulumi.Input<string>;
  /** The most to spend on finding a host that works, in minutes. @default 30 */
  acquireMinutes?: pulumi.Input<number>;
  /** The most to spend on hosts that turn out bad, in USD, rent and fees. @default no limit but acquireMinutes */
  maxAcquireCostUsd?: pulumi.Input<number>;
  /** The most to wait for one host until SSH answers, in minutes, before the next is tried. @default 8 */
  bootMinutes?: pulumi.Input<number>;
  /**
   * Tried on each host before it is kept. One whose line, disk, GPU or speed does not do (`model.too-slow-line`,
   * `model.no-space`, `model.spilled`, `model.too-slow`) is given back, remembered, and the next offer is taken, within
   * acquireMinutes and maxAcquireCostUsd. Any other failure keeps the server and is an error, as it would be later.
   * Never replaces. @default none
   * @example { models: [{ tag: "gemma3:4b", minTokensPerSecond: 40 }] }
   */
  trial?: pulumi.Input<ServerTrial>;
}

export type ServerArgs = RentedServerArgs | ExistingServerArgs;

/**
 * A machine that was reached over SSH and checked to be what was promised: rented on Clore.ai, or an existing host.
 *
 * What it costs: a rented server bills per minute from the order until it is destroyed, at `pricePerDayUsd` plus the
 * marketplace's fee (5 % on-demand, 1.25 % spot, and a creation fee after the first 10 minutes). An existing host
 * costs nothing here.
 * @example new Server("gpu", { sshKey: key, gpu: "RTX 4090", maxPricePerDay: 6, ports: { "8080": "http" } })
 * @example new Server("own", { sshKey: key, address: "192.0.2.7", user: "ubuntu" })
 */
export class Server extends pulumi.CustomResource {
  /** `rented` or `existing`. */
  declare readonly kind: pulumi.Output<"rented" | "existing">;
  /** The marketplace's order; undefined on an existing host. */
  declare readonly orderId: pulumi.Output<number | undefined>;
  /** The marketplace's server. */
  declare readonly serverId: pulumi.Output<number | undefined>;
  /** SSH address. */
  declare readonly address: pulumi.Output<string>;
  /** SSH port, as reached from outside. */
  declare readonly port: pulumi.Output<number>;
  /** Login user. */
  declare readonly user: pulumi.Output<string>;
  /** The host key that was pinned. */
  declare readonly hostKey: pulumi.Output<string>;
  /** Where the order's http port is reached, with scheme. */
  declare readonly httpUrl: pulumi.Output<string | undefined>;
  /** Container port → public port, for tcp ports. */
  declare readonly tcpPorts: pulumi.Output<Record<string, number>>;
  /** What a probe of the machine found. */
  declare readonly facts: pulumi.Output<HostFacts>;
  /** In `currency` per day; 0 on an existing host. */
  declare readonly pricePerDay: pulumi.Output<number>;
  declare readonly currency: pulumi.Output<Currency | undefined>;
  /** In USD per day, without fees. */
  declare readonly pricePerDayUsd: pulumi.Output<number>;
  /** Why this offer and not another. */
  declare readonly chosenBecause: pulumi.Output<string>;
  /** ISO time at which the lease ends; undefined without one. */
  declare readonly leaseEndsAt: pulumi.Output<string | undefined>;
  /** What Services and HealthChecks log in with. A secret. */
  declare readonly connection: pulumi.Output<Connection>;
  /** Whether it is given back with the stack: what runs on it then goes with it. */
  readonly isRented: boolean;

  constructor(name: string, args: ServerArgs, opts?: pulumi.CustomResourceOptions) {
    const { sshKey, ...rest } = args;
    const props: pulumi.Inputs = {
      ...rest,
      sshKey: { publicKey: sshKey.publicKey, privateKey: pulumi.secret(sshKey.privateKey) },
      kind: undefined,
      orderId: undefined,
      serverId: undefined,
      httpUrl: undefined,
      tcpPorts: undefined,
      facts: undefined,
      pricePerDay: undefined,
      pricePerDayUsd: undefined,
      chosenBecause: undefined,
      leaseEndsAt: undefined,
      connection: undefined,
    };
    for (const output of ["address", "port", "user", "hostKey", "currency"]) props[output] ??= undefined;
    super(
      "clore:index:Server",
      name,
      props,
      pulumi.mergeOptions({ additionalSecretOutputs: ["connection"] }, opts),
    );
    this.isRented = !("address" in args) || args.address === undefined;
  }

  /** The shell command that opens a session on the server; the private key must be in the given file. */
  sshCommand(keyFile = "key"): pulumi.Output<string> {
    return pulumi.interpolate`ssh -i ${keyFile} -p ${this.port} ${this.user}@${this.address}`;
  }
}
