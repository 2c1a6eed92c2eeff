import { z } from "zod";
import { marketPrices } from "./market-prices.ts";
import { currencies, type MarketServer } from "./types.ts";
import {
  asNumber,
  asRecord,
  asText,
  flag,
  gpuNames,
  id,
  number,
  record,
  rentalHours,
  text,
} from "./values.ts";

/** Strict: who it is and whether it is free. The rest is described as well as it can be. */
const rowSchema = z.object({
  id,
  owner: number,
  rented: z.union([z.boolean(), z.literal(0), z.literal(1)]).default(false),
  mrl: number,
  reliability: number,
  rating: record,
  cuda_version: text,
  gpu_array: gpuNames,
  gigaspot: flag,
  allowed_coins: z.array(z.unknown()).nullish(),
  price: z.record(z.string(), z.unknown()),
  original_usd: record,
  specs: record,
});

export type RowResult =
  | { ok: true; server: MarketServer }
  | { ok: false; serverId: number | undefined; reason: string };

/**
 * One row of the marketplace with units normalised, or why it cannot be used. Never throws: a stranger's rubbish must
 * not hide two thousand good offers. What a row does not state counts as nothing (0 GB, 0 hours), never as enough.
 */
export function readMarketRow(raw: unknown): RowResult {
  const serverId = id.safeParse(asRecord(raw).id).data;
  const parsed = rowSchema.safeParse(raw);
  if (!parsed.success) return { ok: false, serverId, reason: reasonOf(parsed.error) };
  const row = parsed.data;
  const prices = marketPrices(row.price, row.original_usd);
  if (!prices.ok) return { ok: false, serverId, reason: prices.reason };

  const { specs } = row;
  const net = asRecord(specs.net);
  const gpus = gpuList(row.gpu_array, specs);
  const cpus = cpuCounts(specs.cpus);
  const country = asText(net.cc)?.toUpperCase();
  const priced = currencies.filter((currency) => prices.prices[currency] !== undefined);
  const allowed = row.allowed_coins?.map(asText);
  return {
    ok: true,
    server: {
      serverId: row.id,
      ownerId: row.owner,
      rented: Boolean(row.rented),
      gpuModel: gpus[0],
      gpus,
      vramGbPerGpu: gpus.length === 0 ? 0 : positive(specs.gpuram),
      ramGb: positive(specs.ram),
      cpuModel: asText(specs.cpu),
      ...cpus,
      diskGb: diskGb(specs.disk),
      diskMbPerSecond: asNumber(specs.disk_speed),
      downMbps: positive(net.down),
      upMbps: positive(net.up),
      country: country && /^[A-Z]{2}$/.test(country) ? country : undefined,
      reliability: Math.min(1, Math.max(0, row.reliability ?? 0)),
      rating: ratingOf(row.rating),
      cudaVersion: row.cuda_version,
      maxRentalHours: rentalHours(Math.max(0, row.mrl ?? 0)),
      prices: prices.prices,
      // A row without the list promises nothing either way; the service itself refuses what is not allowed.
      allowedCurrencies:
        allowed === undefined ? priced : currencies.filter((currency) => allowed.includes(currency)),
    },
  };
}

function reasonOf(error: z.ZodError): string {
  const issue = error.issues[0];
  const path = issue?.path.join(".");
  return `${path === undefined || path === "" ? "row" : path}: ${issue?.message ?? "unreadable"}`;
}

/** More is no machine but rubbish. */
const mostGpus = 64;

/**
 * Names, one per GPU. `gpu_array` names them exactly; `specs.gpu` ("2x NVIDIA GeForce RTX 3090") gives the count where
 * the array names each kind once, and the name where the array is missing. "0x" and nothing at all: no GPU.
 */
function gpuList(named: readonly string[], specs: Record<string, unknown>): string[] {
  const [, countText, described] = /^\s*(\d{1,3})\s*x\s*(.*)$/i.exec(asText(specs.gpu) ?? "") ?? [];
  const count = countText === undefined ? undefined : Math.min(Number(countText), mostGpus);
  if (named.length > 0) {
    const oneKind = new Set(named).size === 1;
    const length = oneKind && count !== undefined ? Math.max(count, named.length) : named.length;
    return Array.from({ length: Math.min(length, mostGpus) }, (_, index) => named[index] ?? named[0]!);
  }
  const name = described
    ?.replace(/^NVIDIA\s+/i, "")
    .replace(/^GeForce\s+/i, "")
    .trim();
  return name ? Array.from({ length: count ?? 0 }, () => name) : [];
}

/** "44/88" is cores/threads; a single figure stands for both. */
function cpuCounts(cpus: unknown): { cpuCores: number; cpuThreads: number } {
  const [cores, threads] = String(asNumber(cpus) ?? asText(cpus) ?? "").split("/");
  const cpuCores = Math.floor(positive(cores));
  return { cpuCores, cpuThreads: Math.floor(positive(threads)) || cpuCores };
}

const gbPer: Readonly<Record<string, number>> = { MB: 0.001, GB: 1, TB: 1000 };

/** "2320 102.4688GB": the usable size stands last, after a model whose spaces may be written `x20`. */
function diskGb(disk: unknown): number {
  const plain = asNumber(disk);
  if (plain !== undefined) return positive(plain);
  const words = (asText(disk) ?? "").replaceAll(/\\?x20/g, " ").trimEnd();
  const [, size, unit] = /(?:^|\s)(\d+(?:\.\d+)?)\s*(MB|GB|TB)?$/i.exec(words) ?? [];
  return positive(size) * (gbPer[(unit ?? "GB").toUpperCase()] ?? 1);
}

function ratingOf(rating: Record<string, unknown>): MarketServer["rating"] {
  const average = asNumber(rating.avg);
  const count = asNumber(rating.cnt);
  return average === undefined || count === undefined ? undefined : { average, count };
}

function positive(value: unknown): number {
  return Math.max(0, asNumber(value) ?? 0);
}
