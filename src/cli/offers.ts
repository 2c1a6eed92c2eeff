import { parseArgs } from "node:util";
import { findGpu, gpuMatcher } from "../catalog/gpus.ts";
import { configuredCatalog, loadCatalog } from "../catalog/load.ts";
import { requireModel } from "../catalog/models.ts";
import type { Catalog, Model } from "../catalog/schema.ts";
import { expectedSpeed } from "../catalog/speed.ts";
import { CloreClient, defaultApiUrl } from "../clore/client.ts";
import { openRateGate } from "../clore/gate.ts";
import type { CloreApi } from "../clore/types.ts";
import { InputError, type InputProblem, printable } from "../core/errors.ts";
import { Secret } from "../core/secret.ts";
import { stateDirectory } from "../core/state-directory.ts";
import { formatSeconds, parseHours } from "../cost/duration.ts";
import { checkOfferRequest } from "../market/check.ts";
import { requestWithRoom, roomForModels } from "../market/for-model.ts";
import type { HostMemory } from "../market/memory.ts";
import { noOfferError } from "../market/no-offer.ts";
import { describeGpus } from "../market/offers.ts";
import { defaultRunHours, explain, type RankedOffer, rank } from "../market/rank.ts";
import { type OfferRequest, serverDefaults } from "../market/request.ts";
import { funnelText, type Selection, select } from "../market/select.ts";
import { HostBook } from "../rental/host-book.ts";
import type { Command, CommandIo } from "./command.ts";

const usage = `clore offers [--gpu NAME] [--model TAG] [--for 8h] …

Free servers in the order of what it costs to finish a job on them: rent until ready and
while running, fees, and what an unreliable host is expected to cost. Rents nothing.
With the same limits it names the server that \`pulumi preview\` names.

  --gpu NAME        a GPU class as the marketplace names it: "RTX 4090"
  --model TAG       a model that has to fit: gemma3:4b; without --gpu any class that holds it
  --min-vram GB     VRAM of each GPU
  --for TIME        how long it is needed: 8h, 90m, 1d12h (default ${defaultRunHours}h)
  --max-price USD   the most to pay per day, fees not counted
  --min-reliability SHARE  0 to 1 (default ${serverDefaults.minReliability})
  --country LIST    ISO codes: DE,US
  --min-down MBPS   download speed
  --market KIND     on-demand (default) or spot
  --catalog FILE    GPUs, models and prices of your own, besides the built-in ones; CLORE_CATALOG
                    names such files for \`pulumi up\` too
  --limit N         rows to show (default 10)
  --json            for programs

CLORE_API_URL names another service than ${defaultApiUrl}. With CLORE_API_KEY only what
your wallets can pay is shown, at the fees that the service states.`;

/** `clore offers`: what could be rented, and which offer would be taken. */
export const command: Command = {
  name: "offers",
  summary: "the offers that finish a job cheapest",
  usage,
  async run(argv, io) {
    const question = readQuestion(argv, io.env);
    const apiUrl = io.env.CLORE_API_URL ?? defaultApiUrl;
    const apiKey = io.env.CLORE_API_KEY ? new Secret(io.env.CLORE_API_KEY) : undefined;
    const gate = openRateGate({ directory: stateDirectory(io.env), apiUrl, apiKey });
    try {
      const api = new CloreClient({ apiUrl, apiKey, gate });
      const memory = new HostBook(stateDirectory(io.env)).read();
      return await showOffers(question, io, { api, hasKey: apiKey !== undefined, memory });
    } finally {
      gate.close();
    }
  },
};

/** The command line, understood and checked. */
export interface Question {
  request: OfferRequest;
  /** What has to be downloaded there. */
  loadGb: number;
  model: Model | undefined;
  runHours: number;
  limit: number;
  json: boolean;
  catalog: Catalog;
}

/** @throws InputError with every mistake at once, catalog.unknown-model, catalog.model-does-not-fit */
export function readQuestion(argv: readonly string[], env: CommandIo["env"] = {}): Question {
  const flags = parseFlags(argv);
  const problems: InputProblem[] = [];
  const number = (flag: keyof typeof flags): number | undefined => {
    const text = flags[flag];
    if (text === undefined) return undefined;
    const value = Number(text);
    if (text === "" || Number.isNaN(value))
      problems.push({ path: `--${flag}`, problem: `"${text}" is no number` });
    return value;
  };
  const limit = number("limit") ?? 10;
  if (limit < 1) problems.push({ path: "--limit", problem: "show 1 row or more" });
  const leaseHours = flags.for === undefined ? undefined : parseHours(flags.for);
  if (flags.for !== undefined && leaseHours === undefined) {
    problems.push({ path: "--for", problem: `"${flags.for}" is no time: write 8h, 90m or 1d12h` });
  }
  const request: OfferRequest = {
    ...serverDefaults,
    gpu: flags.gpu,
    minVramGb: number("min-vram"),
    minReliability: number("min-reliability") ?? serverDefaults.minReliability,
    maxPricePerDay: number("max-price"),
    minDownMbps: number("min-down"),
    countries: flags.country?.split(",").map((code) => code.trim()),
    market: flags.market as OfferRequest["market"],
    leaseHours,
  };
  const catalog = loadCatalog(flags.catalog, configuredCatalog(env));
  const reported = new Set(problems.map((p) => p.path));
  const wrong = checkOfferRequest(request, catalog).map((p) => ({ ...p, path: asFlag(p.path) }));
  problems.push(...wrong.filter((p) => !reported.has(p.path.replace(/\[.*/, ""))));
  if (problems.length > 0) throw new InputError("clore offers", problems);

  const model = flags.model === undefined ? undefined : requireModel(flags.model, catalog);
  const room = model && model.runtime !== "api" ? roomForModels([model], request, catalog) : undefined;
  return {
    request: room ? requestWithRoom(request, room) : request,
    loadGb: room?.loadGb ?? 0,
    model,
    runHours: leaseHours ?? defaultRunHours,
    limit,
    json: flags.json ?? false,
    catalog,
  };
}

/** Asks the market, and writes the table (or JSON). @throws market.no-offer */
export async function showOffers(
  question: Question,
  io: Pick<CommandIo, "out" | "signal">,
  source: {
    api: Pick<CloreApi, "marketplace" | "wallets" | "renterFees">;
    hasKey: boolean;
    memory: HostMemory;
  },
): Promise<number> {
  const { api, hasKey, memory } = source;
  const [market, wallets, fees] = await Promise.all([
    api.marketplace(io.signal),
    hasKey ? api.wallets(io.signal) : undefined,
    hasKey ? api.renterFees(io.signal) : undefined,
  ]);
  const known = { fees, memory, now: Date.now() };
  const selection = select(market.servers, question.request, {
    gpuClass: gpuMatcher(question.catalog),
    ownServerIds: market.ownServerIds,
    wallets,
    ...known,
  });
  if (selection.offers.length === 0) throw noOfferError(selection);
  const { runHours, loadGb } = question;
  const ranked = rank(selection.offers, { runHours, modelBytes: loadGb * 1e9, ...known });
  if (question.json) {
    io.out(JSON.stringify(asJson(question, selection, ranked), undefined, 2));
    return 0;
  }
  for (const line of table(ranked.slice(0, question.limit))) io.out(line);
  io.out("");
  io.out(funnelText(selection));
  if (market.skipped.length > 0) io.out(`unreadable rows left out: ${market.skipped.length}`);
  io.out(`server ${ranked[0]!.serverId} would be taken: ${explain(ranked[0]!, ranked[1])}`);
  if (!hasKey) io.out("not checked against your wallets: set CLORE_API_KEY for that");
  return 0;
}

function parseFlags(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        gpu: { type: "string" },
        model: { type: "string" },
        for: { type: "string" },
        "min-vram": { type: "string" },
        "min-reliability": { type: "string" },
        "max-price": { type: "string" },
        country: { type: "string" },
        "min-down": { type: "string" },
        market: { type: "string" },
        catalog: { type: "string", multiple: true },
        limit: { type: "string" },
        json: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    // parseArgs words its complaints for people.
    throw new InputError("clore offers", [{ path: "arguments", problem: (error as Error).message }]);
  }
}

const flagOf: Readonly<Record<string, string>> = {
  maxPricePerDay: "--max-price",
  minVramGb: "--min-vram",
  minReliability: "--min-reliability",
  minDownMbps: "--min-down",
  countries: "--country",
  leaseHours: "--for",
};
const asFlag = (path: string) => path.replace(/^\w+/, (name) => flagOf[name] ?? `--${name}`);

/** Widths add up to 120 with two spaces between columns; the last column gets the rest. */
const columns: readonly { title: string; width: number; right?: true; cell(o: RankedOffer): string }[] = [
  { title: "SERVER", width: 7, right: true, cell: (o) => String(o.serverId) },
  { title: "GPU", width: 18, cell: (o) => describeGpus(o.server) },
  { title: "USD/DAY", width: 7, right: true, cell: (o) => o.pricePerDayUsd.toFixed(2) },
  { title: "FINISH USD", width: 10, right: true, cell: (o) => o.costToFinishUsd.toFixed(2) },
  { title: "READY IN", width: 11, right: true, cell: (o) => formatSeconds(o.secondsToReady) },
  { title: "RELIABLE", width: 8, right: true, cell: (o) => o.server.reliability.toFixed(3) },
  { title: "CC", width: 2, cell: (o) => o.server.country ?? "--" },
  { title: "WHY", width: 43, cell: (o) => o.why },
];

function table(offers: readonly RankedOffer[]): string[] {
  const line = (cells: readonly string[]) =>
    columns
      .map(({ width, right }, i) => {
        const text = shorten(cells[i]!, width);
        return right ? text.padStart(width) : text.padEnd(width);
      })
      .join("  ")
      .trimEnd();
  return [columns.map((c) => c.title), ...offers.map((o) => columns.map((c) => printable(c.cell(o))))].map(
    line,
  );
}

const shorten = (text: string, width: number) =>
  text.length > width ? `${text.slice(0, width - 1)}…` : text;

function asJson(question: Question, selection: Selection, ranked: readonly RankedOffer[]) {
  return {
    request: question.request,
    model: question.model?.tag,
    runHours: question.runHours,
    funnel: selection.funnel.map(({ label, remaining }) => ({ label, remaining })),
    choice: explain(ranked[0]!, ranked[1]),
    offers: ranked.slice(0, question.limit).map((offer) => {
      const { server } = offer;
      const gpu = server.gpuModel === undefined ? undefined : findGpu(server.gpuModel, question.catalog);
      const speed =
        question.model && gpu ? expectedSpeed(question.model, gpu, server.vramGbPerGpu) : undefined;
      return {
        serverId: offer.serverId,
        gpus: server.gpus,
        vramGbPerGpu: server.vramGbPerGpu,
        market: offer.market,
        currency: offer.currency,
        pricePerDay: offer.pricePerDay,
        pricePerDayUsd: offer.pricePerDayUsd,
        costToFinishUsd: offer.costToFinishUsd,
        expectedLossUsd: offer.expectedLossUsd,
        secondsToReady: offer.secondsToReady,
        expectedTokensPerSecond: speed?.tokensPerSecond,
        reliability: server.reliability,
        country: server.country,
        why: offer.why,
      };
    }),
  };
}
