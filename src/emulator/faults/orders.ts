import type { BirthFault } from "../faults.ts";

/** Faults of the next rental. */
export const birthFaults: Readonly<Record<string, BirthFault>> = {
  "delayed-visibility": {
    at: "rental",
    strike: (birth) => {
      birth.extraVisibleMs = 20_000;
    },
    seen: "the order appears in my_orders only after 20 s (of emulated time)",
  },
  "stuck-container": {
    at: "rental",
    strike: (birth) => {
      birth.stuck = true;
    },
    seen: "mon_container stays 0 and SSH never answers",
  },
  "price-changed": {
    at: "rental",
    strike: (birth, options) => {
      birth.priceFactor = options.factor ?? 1.5;
    },
    seen: "the price is `factor` (1.5) times the listed one; with required_price the rental is refused",
  },
  "no-gpu": {
    at: "rental",
    strike: (birth) => {
      birth.gpus = [];
    },
    seen: "nvidia-smi fails",
  },
  "wrong-gpu": {
    at: "rental",
    strike: (birth, options) => {
      birth.gpus = [options.gpu ?? { name: "NVIDIA GeForce GTX 1050 Ti", vramGb: 4 }];
    },
    seen: "nvidia-smi shows another GPU than was promised",
  },
  "full-disk": {
    at: "rental",
    strike: (birth) => {
      birth.diskFull = true;
    },
    seen: "nothing is free on the disk (docker: /root and /opt hold 64 kB; sandbox: only df says so)",
  },
};
