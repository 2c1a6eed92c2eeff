import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { command, readQuestion, showOffers } from "../../src/cli/offers.ts";
import type { CloreApi, MarketServer } from "../../src/clore/types.ts";
import { startEmulator } from "../../src/emulator/server.ts";
import { type HostMemory, remember } from "../../src/market/memory.ts";
import { server, usd } from "../market/servers.ts";

type Asked = Pick<CloreApi, "marketplace" | "wallets" | "renterFees">;

const market: MarketServer[] = [
  server(20019, { prices: usd(1.4), country: "UA" }),
  server(24507, { prices: usd(5), downMbps: 900, reliability: 0.98, country: "DE" }),
  server(30001, { gpus: ["RTX 3060"], vramGbPerGpu: 12, prices: usd(0.9), downMbps: 30 }),
];

const api = (servers = market, balance = 100): Asked => ({
  marketplace: async () => ({
    servers,
    skipped: [{ serverId: 7, reason: "price: none above 0" }],
    ownServerIds: [],
  }),
  wallets: async () => [{ currency: "USD-Blockchain", balance, depositAddress: undefined }],
  renterFees: async () => ({ onDemandShare: {}, spotShare: {}, creationFee: { onDemand: {}, spot: {} } }),
});

async function run(argv: string[], given: { api?: Asked; hasKey?: boolean; memory?: HostMemory } = {}) {
  const source = { api: api(), hasKey: true, memory: {}, ...given };
  const lines: string[] = [];
  const io = { out: (line: string) => lines.push(...line.split("\n")), signal: new AbortController().signal };
  const code = await showOffers(readQuestion(argv), io, source);
  return { code, lines };
}

test("shows what finishes cheapest first, why, and what would be taken", async () => {
  const { code, lines } = await run(["--gpu", "RTX 4090", "--model", "gemma3:27b", "--for", "8h"]);
  expect(code).toBe(0);
  expect(lines).toEqual([
    " SERVER  GPU                 USD/DAY  FINISH USD     READY IN  RELIABLE  CC  WHY",
    "  20019  RTX 4090               1.40        0.62       27 min     1.000  UA  loads 18.4 GB at 100 Mbps; no loss expected",
    "  24507  RTX 4090               5.00        1.89        5 min     0.980  DE  loads 18.4 GB at 900 Mbps; risk costs 0.02…",
    "",
    "3 free · 2 RTX 4090 · 2 with ≥ 18.8 GB VRAM · 2 with ≥ 29 GB disk · 2 with reliability ≥ 0.8 · 2 for 8 h",
    "unreadable rows left out: 1",
    "server 20019 would be taken: RTX 4090 with 24 GB in UA, chosen over server 24507 (RTX 4090, 5.00 USD/day): finishes 1.27 USD cheaper, ready 22 min later, more reliable (1 against 0.98)",
  ]);
});

test("a host that failed lately is not shown, and one whose line was slow is ranked by what it really gave", async () => {
  const at = Date.now();
  const failed = remember({}, { serverId: 20019, at, kind: "failure", reason: "ssh.reset" });
  expect((await run(["--gpu", "RTX 4090"], { memory: failed })).lines[1]).toMatch(/^ {2}24507 /);
  const slow = remember({}, { serverId: 20019, at, kind: "speed", downMbps: 2 });
  const { lines } = await run(["--gpu", "RTX 4090", "--model", "gemma3:27b", "--for", "1h"], {
    memory: slow,
  });
  expect(lines.slice(1, 3).map((line) => line.slice(0, 7))).toEqual(["  24507", "  20019"]);
  expect(lines[2]).toContain("loads 18.4 GB at 2 Mbps");
});

test("a model without a GPU class takes any GPU that holds it", async () => {
  const { lines } = await run(["--model", "gemma3:4b", "--limit", "1"]);
  expect(lines[1]).toMatch(/^ {2}30001 {2}RTX 3060 /);
  expect(lines[2]).toBe("");
});

test("no row of the table is wider than 120, whatever the host calls itself", async () => {
  const long = server(99999999, {
    gpus: Array(12).fill("RTX PRO 6000 Blackwell Max-Q \u001b[31mEdition"),
    reliability: 0.1,
  });
  const { lines } = await run(["--min-reliability", "0"], { api: api([long, ...market]), hasKey: true });
  const table = lines.slice(0, lines.indexOf(""));
  expect(table).toHaveLength(5);
  for (const line of table) expect(line.length).toBeLessThanOrEqual(120);
  expect(lines.join("")).not.toContain("\u001b");
});

test("--json says the same for programs, with the tok/s to expect", async () => {
  const { lines } = await run(["--gpu", "RTX 4090", "--model", "gemma3:4b", "--limit", "1", "--json"]);
  const answer = JSON.parse(lines.join("\n"));
  expect(answer).toMatchObject({
    request: { gpu: "RTX 4090", minVramGb: 4.6, minDiskGb: 16, minReliability: 0.8 },
    model: "gemma3:4b",
    runHours: 24,
    funnel: expect.arrayContaining([
      { label: "listed", remaining: 3 },
      { label: "free", remaining: 3 },
      { label: "RTX 4090", remaining: 2 },
    ]),
    offers: [
      { serverId: 20019, pricePerDayUsd: 1.4, currency: "USD-Blockchain", expectedTokensPerSecond: 95 },
    ],
  });
  expect(answer.offers).toHaveLength(1);
});

test("without a key the market is read all the same, and nothing else is asked", async () => {
  const refuse = async () => {
    throw new Error("asked without a key");
  };
  const { lines } = await run([], { api: { ...api(), wallets: refuse, renterFees: refuse }, hasKey: false });
  expect(lines.at(-1)).toBe("not checked against your wallets: set CLORE_API_KEY for that");
});

test("with a key an empty wallet leaves no offer", async () => {
  await expect(run([], { api: api(market, 0), hasKey: true })).rejects.toMatchObject({
    code: "market.no-offer",
    hint: expect.stringContaining("top up a wallet"),
  });
});

test.each([
  { argv: ["--model", "qwen3.5:7b"], code: "catalog.unknown-model" },
  { argv: ["--gpu", "RTX 3060", "--model", "gemma3:27b"], code: "catalog.model-does-not-fit" },
  { argv: ["--catalog", "/nowhere.yaml"], code: "catalog.unreadable" },
])("$argv is refused with $code before anything is asked", ({ argv, code }) => {
  expect(() => readQuestion(argv)).toThrow(expect.objectContaining({ code }));
});

test("all mistakes of a command line come at once, under the names of the flags", () => {
  const argv = "--gpu 4090 --for soon --max-price six --min-down=-5 --country DE,UK --limit 0".split(" ");
  expect(() => readQuestion(argv)).toThrow(
    expect.objectContaining({
      code: "input.invalid",
      problems: [
        { path: "--limit", problem: "show 1 row or more" },
        { path: "--for", problem: '"soon" is no time: write 8h, 90m or 1d12h' },
        { path: "--max-price", problem: '"six" is no number' },
        { path: "--gpu", problem: expect.stringContaining('nearest: "RTX 4090"') },
        { path: "--min-down", problem: expect.stringContaining("-5 is no amount") },
        { path: "--country[1]", problem: expect.stringContaining("GB (United Kingdom)") },
      ],
    }),
  );
});

test("an unknown flag is named", () => {
  expect(() => readQuestion(["--bogus"])).toThrow(
    expect.objectContaining({ code: "input.invalid", message: expect.stringContaining("--bogus") }),
  );
});

test("asks a Clore.ai over HTTP, with the key of the environment", async () => {
  await using clore = await startEmulator({ machines: "none", marketSize: 300, speed: 1000 });
  const home = mkdtempSync(join(tmpdir(), "clore-offers-"));
  try {
    const lines: string[] = [];
    const code = await command.run(["--limit", "2", "--max-price", "6"], {
      out: (line) => lines.push(line),
      err: () => {},
      env: { CLORE_API_URL: clore.apiUrl, CLORE_API_KEY: clore.apiKey, CLORE_HOME: home },
      signal: new AbortController().signal,
    });
    expect(code).toBe(0);
    expect(lines.slice(1, 3).every((line) => /^ +\d+ {2}/.test(line))).toBe(true);
    expect(clore.requests.map((r) => r.path.split("?")[0]).toSorted()).toEqual([
      "/v1/marketplace",
      "/v1/renter_fees",
      "/v1/wallets",
    ]);
    expect(clore.active()).toEqual([]);
  } finally {
    rmSync(home, { recursive: true });
  }
});
