import type { Random } from "../random.ts";
import type { Row } from "./rows.ts";

type Quirk = (row: Row) => void;

/** What real rows are like. Each alters a fresh row in place. */
const quirks: readonly Quirk[] = [
  (row) => {
    row.specs.disk = row.specs.disk?.replaceAll(" ", "x20"); // spaces written as x20
  },
  (row) => {
    delete row.rating;
    delete row.cuda_version;
  },
  (row) => {
    delete row.specs.disk_speed;
    delete row.specs.pcie_rev;
    delete row.specs.net?.test_history;
  },
  (row) => {
    delete row.price.usd;
    delete row.price.original_usd;
  },
  (row) => {
    row.gigaspot = true;
  },
  (row) => {
    row.partial_gpu_rental = true;
  },
  (row) => {
    if (!row.gpu_array?.length) return;
    const names = row.gpu_array.length > 1 ? row.gpu_array : [...row.gpu_array, ""];
    row.gpu_array = names.map((name, i) => (i % 2 ? " RTX 3070" : name));
    row.specs.gpu = `${names.length}x Mixed GPUs`;
  },
  (row) => {
    if (row.specs.net) row.specs.net.cc = row.specs.net.cc?.toLowerCase();
  },
  (row) => {
    row.specs.cpus = row.specs.cpus?.split("/")[0];
  },
];

/** Gives about one row in eight one quirk. */
export function quirk(row: Row, random: Random): Row {
  if (random.chance(0.15)) random.pick(quirks)(row);
  return row;
}

/** Rows that no client can use and that no client may break on. */
export const rubbishRows: readonly unknown[] = [
  { id: 19_001 },
  { id: "19002", owner: 1, specs: null, price: null, rented: false },
  {
    id: 19_003,
    owner: 7,
    mrl: 72,
    rented: false,
    price: { on_demand: {}, spot: {} },
    specs: {},
    reliability: 1,
  },
  {
    id: 19_004,
    owner: 7,
    mrl: -1,
    rented: false,
    price: { on_demand: { "USD-Blockchain": -3, bitcoin: "free" }, spot: {} },
    specs: { gpu: "??x", gpuram: "much", ram: null, disk: "none", net: {} },
    reliability: 17,
    allowed_coins: "USD-Blockchain",
    gpu_array: " RTX 4090",
  },
  { owner: 3, rented: false, note: "no id" },
];
