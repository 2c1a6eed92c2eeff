import distribution from "../data/market.distribution.json" with { type: "json" };

/** How prices of one class spread, in USD per day. */
export interface Spread {
  min: number;
  p25: number;
  median: number;
  p75: number;
  max: number;
}

/** One kind of server in the made-up market. */
export interface GpuClass {
  /** As `gpu_array` has it, without its leading space. `undefined`: a server without GPU. */
  name: string | undefined;
  /** As nvidia-smi and `specs.gpu` name it. */
  fullName: string;
  vramGb: number;
  count: number;
  /** How many of 2,100 rows. */
  rows: number;
  spread: Spread;
}

const seen = distribution.usd_per_day_on_demand;

/** A spread that was not captured: guessed around its median. */
function around(median: number): Spread {
  return { min: median * 0.4, p25: median * 0.75, median, p75: median * 1.4, max: median * 6 };
}

function geforce(name: string, vramGb: number, rows: number, spread: Spread, count = 1): GpuClass {
  return { name, fullName: `NVIDIA GeForce ${name}`, vramGb, count, rows, spread };
}

function other(name: string, vramGb: number, rows: number, spread: Spread, count = 1): GpuClass {
  return { name, fullName: `NVIDIA ${name}`, vramGb, count, rows, spread };
}

/**
 * The classes of the market. Spreads of the captured classes are the captured ones and their row counts follow
 * the capture's unrented counts; the others are guesses that keep their order (docs: made up, not observed).
 */
export const gpuClasses: readonly GpuClass[] = [
  geforce("RTX 4090", 24, 146, seen.RTX4090_1x),
  geforce("RTX 4090", 24, 27, seen.RTX4090_2x, 2),
  geforce("RTX 4090", 24, 30, around(28), 4),
  geforce("RTX 4090 D", 24, 22, around(6.4)),
  geforce("RTX 5090", 32, 177, seen.RTX5090_1x),
  geforce("RTX 5090", 32, 40, around(36), 4),
  geforce("RTX 3090", 24, 105, seen.RTX3090_1x),
  geforce("RTX 3090", 24, 70, around(8), 2),
  geforce("RTX 3090", 24, 60, around(15), 4),
  geforce("RTX 3090 Ti", 24, 24, around(4)),
  geforce("RTX 3080", 10, 130, around(1.8)),
  geforce("RTX 3080", 12, 50, around(2.1)),
  geforce("RTX 3080 Ti", 12, 60, around(2.4)),
  geforce("RTX 3070", 8, 120, around(1.2)),
  geforce("RTX 3070 Laptop GPU", 8, 12, around(0.9)),
  geforce("RTX 3060", 12, 130, around(1.1)),
  geforce("RTX 3060", 8, 35, around(0.8)),
  geforce("RTX 3060 Ti", 8, 90, around(1.1)),
  geforce("RTX 4070", 12, 60, around(1.9)),
  geforce("RTX 4070 Ti SUPER", 16, 40, around(2.8)),
  geforce("RTX 4080 SUPER", 16, 45, around(3.6)),
  geforce("RTX 5080", 16, 45, around(4.2)),
  geforce("RTX 2080 Ti", 11, 70, around(1.2)),
  geforce("GTX 1080 Ti", 11, 150, around(0.6)),
  geforce("GTX 1660 SUPER", 6, 120, around(0.4)),
  geforce("GTX 1050 Ti", 4, 60, around(0.22)),
  other("P106-100", 6, 70, around(0.24)),
  other("CMP 50HX", 10, 40, around(0.35)),
  other("L40S", 48, 2, seen.L40S_1x),
  other("RTX A6000", 48, 4, seen.A6000_1x),
  other("RTX 6000 Ada Generation", 48, 2, seen.RTX6000_ADA_1x),
  other("A100 80GB PCIe", 80, 6, around(16)),
  other("H100 80GB HBM3", 80, 4, around(48), 8),
  { name: undefined, fullName: "", vramGb: 0, count: 0, rows: 16, spread: around(0.3) },
];
