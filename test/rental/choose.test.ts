import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CloreClient } from "../../src/clore/client.ts";
import { openRateGate } from "../../src/clore/gate.ts";
import type { RenterFees } from "../../src/clore/types.ts";
import { type Emulator, startEmulator } from "../../src/emulator/server.ts";
import { choose } from "../../src/rental/choose.ts";
import { Renting, speed, startMarket } from "./support.ts";

/** The made-up market of some 2,100 rows, rubbish among them. */
let market: Emulator;
beforeAll(async () => {
  market = await startMarket({ machines: "none", marketSize: 2100 });
});
afterAll(() => market.close());

describe("no offer fits", () => {
  test("names the filter that removed the last ones, the nearest miss and what to change", async () => {
    await using renting = new Renting(market);
    await expect(renting.choose({ gpu: "RTX 4090", gpuCount: 1, maxPricePerDay: 0.8 })).rejects.toMatchObject(
      {
        code: "market.no-offer",
        message: expect.stringMatching(/^no offer fits: none of the last \d+ is "up to 0\.8 USD\/day"$/),
        seen: expect.stringMatching(
          /free · \d+ .*RTX 4090.* · 0 up to 0\.8 USD\/day; nearest: .*RTX 4090.* USD\/day/,
        ),
        hint: expect.stringMatching(/maxPricePerDay/),
      },
    );
  });

  test("because the wallet is empty", async () => {
    await using poor = await startMarket({
      machines: "none",
      wallets: { "USD-Blockchain": 0, bitcoin: 0, "CLORE-Blockchain": 0 },
    });
    await using renting = new Renting(poor);
    await expect(renting.choose({ currency: "auto" })).rejects.toMatchObject({
      code: "market.no-offer",
      message: expect.stringMatching(/wallet|pay/i),
      seen: expect.stringMatching(/nearest: .*(wallet|balance)/i),
    });
  });

  test("because the list is empty: that is more likely a fault of the service", async () => {
    await using empty = await startEmulator({ machines: "none", marketSize: 0, speed });
    await using renting = new Renting(empty);
    await expect(renting.choose()).rejects.toMatchObject({
      code: "market.no-offer",
      hint: expect.stringContaining("try again"),
    });
  });
});

test("rubbish rows are skipped and counted, and the rest is ranked", async () => {
  await using renting = new Renting(market);
  const { ranked } = await renting.choose({ gpu: "RTX 4090", gpuCount: 1 });
  expect(ranked.length).toBeGreaterThan(20);
  expect(renting.lines).toContainEqual(
    expect.stringMatching(/^debug: \d+ marketplace rows could not be read, the first: /),
  );
});

test("a server that we rent already is no offer", async () => {
  await using renting = new Renting(market);
  const first = (await renting.choose({ gpu: "RTX 3090" })).ranked[0]?.serverId ?? 0;
  renting.io.reserved.add(first);
  expect((await renting.choose({ gpu: "RTX 3090" })).ranked.map((offer) => offer.serverId)).not.toContain(
    first,
  );
});

test("the fees are those that the service states", async () => {
  await using renting = new Renting(market);
  const { clore, log, signal } = renting.io;
  const io = { clore, log, signal, hasKey: true, memory: {}, taken: new Set<number>(), now: 0 };
  const costWith = async (share?: number) => {
    const stated: RenterFees = {
      onDemandShare: { "USD-Blockchain": share ?? 0 },
      spotShare: {},
      creationFee: { onDemand: {}, spot: {} },
    };
    const fees = async () => (share === undefined ? undefined : stated);
    const { ranked } = await choose({ currency: "USD-Blockchain", gpu: "RTX 3090" }, {}, { ...io, fees });
    return ranked.find(({ server }) => server.reliability === 1)!;
  };
  const [documented, dearer] = [await costWith(), await costWith(0.5)];
  // 5 % are documented; the rent of a day and the time to ready bear 45 % more.
  expect(dearer.costToFinishUsd - documented.costToFinishUsd).toBeCloseTo(
    documented.pricePerDayUsd * 0.45,
    1,
  );
});

describe("an API that cannot be used", () => {
  test("no key: the market can be looked at, nothing else", async () => {
    await using renting = new Renting(market, "");
    await expect(renting.io.clore.myOrders({})).rejects.toMatchObject({
      code: "clore.no-api-key",
      hint: expect.stringContaining("CLORE_API_KEY"),
    });
    const { ranked } = await choose(
      { gpu: "RTX 3090" },
      {},
      {
        clore: renting.io.clore,
        log: renting.io.log,
        signal: renting.io.signal,
        hasKey: false,
        memory: {},
        taken: new Set(),
        now: 0,
      },
    );
    expect(ranked.length).toBeGreaterThan(0);
  });

  test("a wrong key", async () => {
    await using renting = new Renting(market, "x".repeat(32));
    await expect(renting.choose()).rejects.toMatchObject({
      code: "clore.invalid-token",
      hint: expect.stringContaining("32 characters"),
    });
  });

  test("HTML instead of JSON, with what was seen", async () => {
    const server = createServer((_request, response) =>
      response.end("<html>\u001b[2J<h1>Maintenance</h1>"),
    ).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    await using renting = new Renting(market);
    const apiUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
    const gate = openRateGate({
      directory: renting.directory,
      apiUrl,
      apiKey: undefined,
      requestEveryMs: 2,
      createEveryMs: 2,
    });
    const clore = new CloreClient({ apiUrl, apiKey: undefined, gate });
    const { log, signal } = renting.io;
    const chosen = choose(
      {},
      {},
      { clore, log, signal, hasKey: false, memory: {}, taken: new Set(), now: 0 },
    );
    await expect(chosen).rejects.toMatchObject({
      code: "clore.not-json",
      seen: expect.stringContaining("Maintenance"),
      hint: expect.stringContaining("URL"),
    });
    await chosen.catch((error) => expect(error.seen).not.toContain("\u001b"));
    gate.close();
    server.closeAllConnections();
    server.close();
  });

  test("Cloudflare's refusal, which no repetition mends", async () => {
    await using renting = new Renting(market);
    await market.faults.order("html-403", { path: "marketplace" });
    await expect(renting.choose()).rejects.toMatchObject({
      code: "clore.blocked",
      hint: expect.stringContaining("another network"),
    });
  });

  test("a gateway's bad moment is waited out", async () => {
    await using renting = new Renting(market);
    await market.faults.order("html-502", { path: "marketplace", times: 2 });
    expect((await renting.choose()).ranked.length).toBeGreaterThan(0);
  });
});
