import captured from "../data/market.rows.json" with { type: "json" };
import liveOrder from "../data/my_orders.live.json" with { type: "json" };
import { type Random, seeded } from "../random.ts";
import { type GpuClass, gpuClasses, type Spread } from "./gpus.ts";
import { merge } from "./merge.ts";
import { quirk, rubbishRows } from "./quirks.ts";
import { coins, pricesInUsd, type Row, type RowOverride, type Specs } from "./rows.ts";

const countries = [
  "US",
  "UA",
  "DE",
  "FI",
  "PL",
  "CZ",
  "NL",
  "FR",
  "JP",
  "KR",
  "VN",
  "TH",
  "RU",
  "SE",
  "CA",
  "BG",
];
const processors = [
  "Intel(R) Xeon(R) CPU E5-2699C v4 @ 2.20GHz",
  "AMD Ryzen 9 5950X 16-Core Processor",
  "AMD EPYC 7542 32-Core Processor",
  "Intel(R) Core(TM) i5-10400F CPU @ 2.90GHz",
  "Intel(R) Celeron(R) CPU G3930 @ 2.90GHz",
];

/**
 * The market: `size` made-up rows shaped by the captures, the captured rows themselves, a few rubbish rows, then
 * the overrides (a known id changes that row, a new id adds a plain free RTX 3090 changed that way).
 * With size 0 there is nothing but the overrides.
 */
export function generateMarket(
  seed: number,
  size: number,
  overrides: readonly RowOverride[] = [],
): unknown[] {
  const random = seeded(seed);
  const rows = new Map<unknown, unknown>();
  const add = (row: unknown) => rows.set((row as { id?: unknown }).id ?? Symbol("no id"), row);
  if (size > 0) {
    const all = gpuClasses.flatMap((kind) => Array<GpuClass>(kind.rows).fill(kind));
    for (let i = 0; i < size; i++) {
      const kind = i < all.length ? all[i]! : random.pick(all);
      add(quirk(makeRow(20_000 + i * 37 + random.whole(0, 30), kind, random), random));
    }
    for (const row of captured.rows) add(merge(plainRow(row.id, random), row as RowOverride));
    add(capturedOrderRow(random));
    for (const row of rubbishRows) add(row);
  }
  for (const change of overrides) {
    add(merge((rows.get(change.id) as Row | undefined) ?? plainRow(change.id, random), change));
  }
  return [...rows.values()];
}

function makeRow(id: number, kind: GpuClass, random: Random): Row {
  const usd = round(priceOf(kind.spread, random.next()), 2);
  const spot = round(usd * random.pick([1, 1, 0.9, 0.8, 0.7]), 2);
  const rented = random.chance(1 - 1193 / 2040);
  const price = pricesInUsd(usd, spot, random.chance(0.2) ? round(usd * 0.9, 2) : usd);
  const row: Row = {
    id,
    owner: random.whole(10, 9000),
    mrl: random.pick([72, 240, 720, 1440]),
    price,
    rented,
    specs: specsOf(kind, random),
    reliability: random.chance(0.6) ? 1 : round(random.next(), 4),
    allowed_coins: [...coins],
    rating: { avg: round(random.between(3, 5), 2), cnt: random.whole(0, 90) },
    cuda_version: random.pick(["12.2", "12.4", "12.8", "13.0"]),
    gpu_array: kind.name === undefined ? [] : Array<string>(kind.count).fill(` ${kind.name}`),
  };
  // Captured: 1,156 of 2,098 rows have a USD price, nearly all of them free; 81 of these do not take USD.
  if (random.chance(rented ? 0.95 : 0.04)) {
    delete price.on_demand["USD-Blockchain"];
    delete price.spot["USD-Blockchain"];
    delete price.usd?.on_demand_usd;
    row.allowed_coins = row.allowed_coins?.filter((coin) => coin !== "USD-Blockchain");
  } else if (random.chance(81 / 1156)) {
    row.allowed_coins = row.allowed_coins?.filter((coin) => coin !== "USD-Blockchain");
  }
  return row;
}

function specsOf(kind: GpuClass, random: Random): Specs {
  const cores = random.pick([2, 4, 6, 8, 16, 32, 44]);
  const down = round(random.chance(0.5) ? random.between(26, 106) : random.between(106, 950), 2);
  return {
    mb: random.pick(["2129", "X99", "B450M PRO4", "ROMED8-2T"]),
    cpu: random.pick(processors),
    cpus: `${cores}/${cores * 2}`,
    ram: round(random.pick([8, 16, 32, 64, 128, 256]) * 0.985, 4),
    gpu: kind.name === undefined ? "" : `${kind.count}x ${kind.fullName}`,
    gpuram: kind.vramGb,
    disk: `${random.pick(["2320", "WDC WDS500G2B0A", "Samsung SSD 970"])} ${round(random.between(28, 1800), 4)}GB`,
    disk_speed: round(random.between(30, 3200), 2),
    net: {
      up: round(down * random.between(0.2, 1), 2),
      down,
      cc: random.pick(countries),
      test_history: [`S|17${random.whole(60, 82)}764742|${down}|26.21`],
    },
    backend_version: 21,
    pcie_rev: random.pick([2, 3, 4]),
    pcie_width: random.pick([1, 4, 8, 16]),
    xfs: 1,
  };
}

/** A row without surprises: free, reliable, one RTX 3090 at 3.50 USD per day, payable in every coin. */
function plainRow(id: number, random: Random): Row {
  const kind = gpuClasses.find((one) => one.name === "RTX 3090" && one.count === 1)!;
  return {
    ...makeRow(id, kind, random),
    price: pricesInUsd(3.5, 2.8),
    rented: false,
    reliability: 1,
    mrl: 240,
    specs: {
      ...specsOf(kind, random),
      ram: 64,
      cpus: "16/32",
      disk: "NVME 500.1GB",
      net: { up: 300, down: 800, cc: "US" },
    },
    allowed_coins: [...coins],
    rating: { avg: 4.8, cnt: 40 },
  };
}

/** The server of the captured order, 2 USD per day. */
function capturedOrderRow(random: Random): Row {
  const order = liveOrder.orders[0]!;
  const { specs, reliability, rating, cuda_version, gpu_array } = order;
  return {
    ...plainRow(order.si, random),
    price: pricesInUsd(2, 1.6),
    specs,
    reliability,
    rating,
    cuda_version,
    gpu_array,
  };
}

/** The price at share `u` of a class; the last quarter bends, so that one absurd maximum does not lift all of it. */
function priceOf(spread: Spread, u: number): number {
  const part = (u * 4) % 1;
  if (u < 0.25) return spread.min + (spread.p25 - spread.min) * part;
  if (u < 0.5) return spread.p25 + (spread.median - spread.p25) * part;
  if (u < 0.75) return spread.median + (spread.p75 - spread.median) * part;
  return spread.p75 + (spread.max - spread.p75) * part ** 6;
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
