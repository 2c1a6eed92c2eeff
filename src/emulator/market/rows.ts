/** The currencies that a server can be priced in, as the service names them. */
export const coins = ["bitcoin", "CLORE-Blockchain", "USD-Blockchain"] as const;
export type Coin = (typeof coins)[number];

/** USD for one unit; from the captured rows (USD price ÷ coin price). */
export const usdPerCoin: Readonly<Record<Coin, number>> = {
  bitcoin: 62263.96,
  "CLORE-Blockchain": 0.00119648,
  "USD-Blockchain": 1,
};

export type CoinPrices = Partial<Record<Coin, number>>;

/** A marketplace row as it goes over the wire. Real rows miss any of the optional fields. */
export interface Row {
  id: number;
  owner: number;
  /** Hours. */
  mrl: number;
  price: {
    on_demand: CoinPrices;
    spot: CoinPrices;
    usd?: { on_demand_btc?: number; on_demand_clore?: number; on_demand_usd?: number; spot: number };
    original_usd?: Partial<Record<Coin, { on_demand: number; spot: number }>>;
  };
  rented: boolean;
  specs: Specs;
  reliability: number;
  allowed_coins?: string[];
  rating?: { avg: number; cnt: number };
  cuda_version?: string;
  gpu_array?: string[];
  gigaspot?: boolean;
  partial_gpu_rental?: boolean;
}

export interface Specs {
  mb?: string;
  cpu?: string;
  cpus?: string;
  ram?: number;
  gpu?: string;
  gpuram?: number;
  disk?: string;
  disk_speed?: number;
  net?: { up?: number; down?: number; cc?: string; test_history?: string[] };
  backend_version?: number;
  pcie_rev?: number;
  pcie_width?: number;
  xfs?: number;
  gpus?: { type: string; mem: number; pcie_gen: number; pcie_width: number }[];
}

/** Part of a row, down to its leaves: what `market` overrides are made of. Lists are replaced whole. */
export type RowOverride = { id: number } & DeepPartial<Omit<Row, "id">>;

type DeepPartial<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { [K in keyof T]?: DeepPartial<T[K]> }
    : T;

/** Prices in every coin from one price in USD per day, with the rounding seen in real rows. */
export function pricesInUsd(onDemand: number, spot: number, inClore = onDemand): Row["price"] {
  const coin = (usd: number, per: Coin) =>
    Number((usd / usdPerCoin[per]).toPrecision(per === "bitcoin" ? 4 : 6));
  const spotInClore = (spot * inClore) / onDemand;
  const inBtc = coin(onDemand, "bitcoin");
  const inCloreCoins = coin(inClore, "CLORE-Blockchain");
  return {
    on_demand: { bitcoin: inBtc, "CLORE-Blockchain": inCloreCoins, "USD-Blockchain": onDemand },
    spot: {
      bitcoin: coin(spot, "bitcoin"),
      "CLORE-Blockchain": coin(spotInClore, "CLORE-Blockchain"),
      "USD-Blockchain": spot,
    },
    original_usd: {
      "CLORE-Blockchain": { on_demand: inClore, spot: spotInClore },
      bitcoin: { on_demand: onDemand, spot },
    },
    usd: {
      on_demand_btc: inBtc * usdPerCoin.bitcoin,
      on_demand_clore: inCloreCoins * usdPerCoin["CLORE-Blockchain"],
      on_demand_usd: onDemand,
      spot: 0, // observed: 0 even where a spot price stands
    },
  };
}
