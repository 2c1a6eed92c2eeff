import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { inspect } from "node:util";
import { afterEach, describe, expect, test } from "vitest";
import { CloreClient } from "../../src/clore/client.ts";
import { CloreApiError } from "../../src/clore/errors.ts";
import type { RateGate } from "../../src/clore/gate.ts";
import type { CreateOrderRequest } from "../../src/clore/types.ts";
import { InputError } from "../../src/core/errors.ts";
import type { Log } from "../../src/core/log.ts";
import { Secret } from "../../src/core/secret.ts";
import { type Reply, type ScriptedServer, scriptedServer } from "./server.ts";

const key = "0123456789abcdef0123456789ABCDEF";
const order: CreateOrderRequest = {
  serverId: 88028,
  market: "on-demand",
  currency: "USD-Blockchain",
  image: "cloreai/jupyter:ubuntu24.04-v2",
  ports: { 22: "tcp", 8080: "http" },
  sshPublicKey: "ssh-ed25519 AAAA",
  requiredPricePerDay: 2,
};

let server: ScriptedServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

interface Rig {
  client: CloreClient;
  passes: string[];
  penalties: number[];
  pauses: number[];
  logged: string[];
}

async function rig(
  replies: Reply[],
  options: { apiKey?: string; timeoutMs?: number; url?: string } = {},
): Promise<Rig> {
  if (options.url === undefined) server = await scriptedServer(...replies);
  const passes: string[] = [];
  const penalties: number[] = [];
  const pauses: number[] = [];
  const logged: string[] = [];
  const gate: RateGate = {
    requestEveryMs: 1000,
    async pass(kind, signal) {
      signal?.throwIfAborted();
      passes.push(kind);
    },
    async penalise(ms) {
      penalties.push(ms);
    },
    close() {},
  };
  const note = (line: string) => void logged.push(line);
  const log: Log = { status: note, debug: note, info: note, warn: note };
  const client = new CloreClient({
    apiUrl: options.url ?? `${server!.url}/`,
    apiKey: options.apiKey === "" ? undefined : new Secret(options.apiKey ?? key),
    gate,
    timeoutMs: options.timeoutMs ?? 5000,
    clock: {
      now: () => Date.now(),
      async sleep(ms, signal) {
        signal?.throwIfAborted();
        pauses.push(ms);
      },
    },
    log,
  });
  return { client, passes, penalties, pauses, logged };
}

const ok = { body: { code: 0 } };

describe("what is sent", () => {
  test("a create: the service's own field names, the key in `auth`, an honest user agent", async () => {
    const { client, passes } = await rig([ok]);
    await client.createOrder({ ...order, market: "spot", bidPerDay: 1.5, autosshEntrypoint: true });
    const [request] = server!.seen;
    expect([request!.method, request!.url]).toEqual(["POST", "/v1/create_order"]);
    expect(JSON.parse(request!.body)).toEqual({
      currency: "USD-Blockchain",
      image: "cloreai/jupyter:ubuntu24.04-v2",
      renting_server: 88028,
      type: "spot",
      spotprice: 1.5,
      ports: { "22": "tcp", "8080": "http" },
      ssh_key: "ssh-ed25519 AAAA",
      required_price: 2,
      autossh_entrypoint: true,
    });
    expect(request!.headers.auth).toBe(key);
    expect(request!.headers["content-type"]).toBe("application/json");
    expect(request!.headers["user-agent"]).toMatch(/^pulumi-clore\/\d+\.\d+\.\d+ node\/24\./);
    expect(passes).toEqual(["create"]);
  });

  test("the other calls", async () => {
    const { client, passes } = await rig([
      {
        body: { code: 0, wallets: [{ name: "bitcoin", deposit: "1abc", balance: "0.5", withdrawal_fee: 0 }] },
      },
      { body: { code: 0, exists: false } },
      { body: { code: 0, orders: [] } },
      { body: { code: 0, renter_fees: {}, creation_fees: {} } },
      ok,
    ]);
    expect(await client.wallets()).toEqual([{ currency: "bitcoin", balance: 0.5, depositAddress: "1abc" }]);
    await client.spotMarket(7);
    await client.myOrders({ includeCompleted: true });
    await client.renterFees();
    await client.cancelOrder(5, "no ssh");
    await client.setSpotPrice(5, 1.25);
    expect(server!.seen.map(({ method, url, body }) => `${method} ${url} ${body}`.trim())).toEqual([
      "GET /v1/wallets",
      "GET /v1/spot_marketplace?market=7",
      "GET /v1/my_orders?return_completed=true",
      "GET /v1/renter_fees",
      'POST /v1/cancel_order {"id":5,"issue":"no ssh"}',
      'POST /v1/set_spot_price {"order_id":5,"desired_price":1.25}',
    ]);
    expect(passes).toEqual(Array(6).fill("request"));
  });

  test("the marketplace without a key, nothing else", async () => {
    const { client } = await rig([{ body: { code: 0, servers: [], my_servers: [4] } }], { apiKey: "" });
    expect(await client.marketplace()).toEqual({ servers: [], skipped: [], ownServerIds: [4] });
    expect(server!.seen[0]!.headers.auth).toBeUndefined();
    await expect(client.wallets()).rejects.toMatchObject({ code: "clore.no-api-key" });
    await expect(client.createOrder(order)).rejects.toMatchObject({ code: "clore.no-api-key", retry: "no" });
    expect(server!.seen).toHaveLength(1);
  });

  test("no redirect is followed: the key goes nowhere else", async () => {
    const other = await scriptedServer({ body: { code: 0, wallets: [] } });
    const { client } = await rig([{ status: 307, body: "", headers: { location: other.url } }]);
    await expect(client.createOrder(order)).rejects.toMatchObject({
      code: "clore.not-json",
      retry: "look-first",
    });
    expect(other.seen).toEqual([]);
    await other.close();
  });

  test("a key that no header can carry is refused unsent and unshown", async () => {
    const { client } = await rig([ok], { apiKey: "geheim\nzwei" });
    const error = await client.wallets().catch((e: unknown) => e);
    expect(error).toMatchObject({ code: "clore.invalid-token" });
    expect(inspect(error, { depth: 9 })).not.toContain("geheim");
    expect(server!.seen).toEqual([]);
  });
});

describe("a read", () => {
  const wallets = { body: { code: 0, wallets: [] } };
  const cut: Reply = (response) => response.destroy();

  test.each<{ name: string; first: Reply[]; pauses: number; penalties: number }>([
    { name: "a 429", first: [{ status: 429, body: { code: 5 } }], pauses: 0, penalties: 1 },
    { name: "a gateway page", first: [{ status: 502, body: "<html>" }], pauses: 1, penalties: 0 },
    { name: "code 1", first: [{ status: 500, body: { code: 1 } }], pauses: 1, penalties: 0 },
    { name: "a cut connection", first: [cut], pauses: 1, penalties: 0 },
    {
      name: "all of them",
      first: [cut, { status: 429, body: { code: 5 } }, { status: 503, body: "" }],
      pauses: 2,
      penalties: 1,
    },
  ])("is repeated after $name, each time through the gate", async ({ first, pauses, penalties }) => {
    const seen = await rig([...first, wallets]);
    expect(await seen.client.wallets()).toEqual([]);
    expect([seen.pauses.length, seen.penalties.length]).toEqual([pauses, penalties]);
    expect(seen.passes).toHaveLength(first.length + 1);
  });

  test("is given up after 4 repetitions with growing pauses", async () => {
    const { client, pauses } = await rig([{ status: 502, body: "<html>bad gateway" }]);
    await expect(client.wallets()).rejects.toMatchObject({
      code: "clore.not-json",
      seen: "HTTP 502, <html>bad gateway",
    });
    expect(server!.seen).toHaveLength(5);
    expect(pauses.map((ms) => Math.floor(Math.log2(ms / 1000)))).toEqual([0, 1, 2, 3]);
  });

  test("is given up after a storm of 429, having slowed everybody down", async () => {
    const { client, penalties } = await rig([{ status: 429, body: { code: 5 } }]);
    await expect(client.wallets()).rejects.toMatchObject({ code: "clore.rate-limited", retry: "later" });
    expect(penalties).toHaveLength(6);
    expect(penalties.toSorted((a, b) => a - b)).toEqual(penalties);
  });

  test("obeys Retry-After", async () => {
    const { client, penalties } = await rig([
      { status: 429, body: { code: 5 }, headers: { "retry-after": "7" } },
      wallets,
    ]);
    await client.wallets();
    expect(penalties).toEqual([7000]);
  });

  test.each<{ name: string; reply: Reply; code: string }>([
    { name: "HTML under 200", reply: { body: "<html>" }, code: "clore.not-json" },
    { name: "a wrong key", reply: { status: 401, body: { code: 3 } }, code: "clore.invalid-token" },
    { name: "a blocked agent", reply: { status: 403, body: "error code: 1010" }, code: "clore.blocked" },
    { name: "another form", reply: { body: { code: 0, wallets: { a: 1 } } }, code: "clore.unexpected-shape" },
    {
      name: "a balance that is none",
      reply: { body: { code: 0, wallets: [{ name: "x", balance: "much" }] } },
      code: "clore.unexpected-shape",
    },
  ])("is not repeated after $name", async ({ reply, code }) => {
    const { client } = await rig([reply]);
    await expect(client.wallets()).rejects.toMatchObject({ code });
    expect(server!.seen).toHaveLength(1);
  });
});

describe("a write of unclear end says look-first and is sent once", () => {
  const half: Reply = (response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write('{"code":0', () => response.destroy());
  };
  const endings: { name: string; reply: Reply; code: string }[] = [
    { name: "cut before the answer", reply: (response) => response.destroy(), code: "clore.cut" },
    { name: "cut in the answer", reply: half, code: "clore.cut" },
    { name: "no answer", reply: () => {}, code: "clore.timed-out" },
    {
      name: "an answer that never ends",
      reply: (response) => response.writeHead(200).write('{"code"'),
      code: "clore.timed-out",
    },
    { name: "gateway page", reply: { status: 504, body: "<html>" }, code: "clore.not-json" },
    { name: "code 1", reply: { status: 500, body: { code: 1 } }, code: "clore.database-error" },
    { name: "no code", reply: { body: {} }, code: "clore.unexpected-shape" },
  ];
  const calls: Record<string, (client: CloreClient) => Promise<void>> = {
    create: (client) => client.createOrder(order),
    cancel: (client) => client.cancelOrder(5),
    bid: (client) => client.setSpotPrice(5, 1),
  };
  test.each(endings.flatMap((ending) => Object.keys(calls).map((call) => ({ ...ending, call }))))(
    "$call, $name",
    async ({ reply, code, call }) => {
      const { client } = await rig([reply], { timeoutMs: 150 });
      await expect(calls[call]!(client)).rejects.toMatchObject({ code, retry: "look-first" });
      expect(server!.seen).toHaveLength(1);
    },
  );

  test("cancelled while it is under way", async () => {
    const stop = new AbortController();
    const { client } = await rig([() => stop.abort(new Error("Ctrl-C"))]);
    const error = await client.createOrder(order, stop.signal).catch((e: unknown) => e);
    expect(error).toMatchObject({
      code: "clore.cancelled",
      retry: "look-first",
      cause: { message: "Ctrl-C" },
    });
  });
});

describe("a write that surely did not happen", () => {
  test("is repeated after an explicit 429, through the gate for creates", async () => {
    const { client, passes, penalties } = await rig([{ status: 429, body: { code: 5 } }, ok]);
    await client.createOrder(order);
    expect([passes, penalties.length]).toEqual([["create", "create"], 1]);
  });

  test("is not repeated for ever", async () => {
    const { client } = await rig([{ status: 429, body: { code: 5 } }]);
    await expect(client.createOrder(order)).rejects.toMatchObject({
      code: "clore.rate-limited",
      retry: "later",
    });
    expect(server!.seen).toHaveLength(7);
  });

  test("because nothing listens is not unclear", async () => {
    const free = createServer();
    await new Promise<void>((resolve) => free.listen(0, "127.0.0.1", resolve));
    const { port } = free.address() as { port: number };
    await new Promise((resolve) => free.close(resolve));
    const { client, passes } = await rig([], { url: `http://127.0.0.1:${port}/v1` });
    await expect(client.createOrder(order)).rejects.toMatchObject({
      code: "clore.unreachable",
      retry: "later",
      seen: "ECONNREFUSED",
    });
    expect(passes).toEqual(["create"]);
  });

  test("because it was cancelled before gives the caller's own reason", async () => {
    const { client } = await rig([ok]);
    const reason = new Error("Ctrl-C");
    await expect(client.createOrder(order, AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(server!.seen).toEqual([]);
  });

  test("because the service would fail on it: all mistakes at once, unsent", async () => {
    const { client } = await rig([ok]);
    const error = await client
      .createOrder({
        serverId: 0,
        market: "spot",
        currency: "USD" as never,
        image: " ",
        ports: { 80: "http", 8080: "http", 99999: "tcp" },
        env: { URL: "https://x/?a=1&b=2", NAME: "Zoë", FINE: "a=b c" },
        sshPublicKey: "x".repeat(3073),
        requiredPricePerDay: Number.NaN,
      })
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(InputError);
    expect((error as InputError).problems.map(({ path }) => path)).toEqual([
      "serverId",
      "image",
      "currency",
      "bidPerDay",
      "requiredPricePerDay",
      "sshPublicKey",
      'ports["99999"]',
      "ports",
      "env.URL",
      "env.NAME",
    ]);
    await expect(client.cancelOrder(-1, "x".repeat(2049))).rejects.toMatchObject({ code: "input.invalid" });
    await expect(client.setSpotPrice(5, 0)).rejects.toMatchObject({ code: "input.invalid" });
    expect(server!.seen).toEqual([]);
  });
});

test("a cancelled read rejects with the signal's reason at once", async () => {
  const stop = new AbortController();
  const reason = new Error("enough");
  const { client } = await rig([() => stop.abort(reason)]);
  await expect(client.marketplace(stop.signal)).rejects.toBe(reason);
});

test("the key is in no error and no log, even when the service echoes it", async () => {
  const { client, logged } = await rig([{ status: 401, body: { code: 3, error: `bad token ${key}` } }]);
  const error = await client.wallets().catch((e: unknown) => e);
  expect(error).toBeInstanceOf(CloreApiError);
  expect(inspect(error, { depth: 9 }) + JSON.stringify(error) + logged.join()).not.toContain(key);
  expect(inspect(client, { depth: 9, showHidden: true })).not.toContain(key);
});

test("captured live answers arrive as typed values", async () => {
  const fixture = (name: string) =>
    JSON.parse(readFileSync(new URL(`../fixtures/clore/${name}`, import.meta.url), "utf8"));
  const { client } = await rig([
    { body: fixture("my_orders.live.json") },
    { body: { code: 0, servers: fixture("market.rows.json").rows, my_servers: [] } },
  ]);
  const [live] = await client.myOrders();
  expect(live).toMatchObject({ orderId: 1939941, serverId: 88028, pricePerDay: 2, tcpPorts: { 22: 1972 } });
  const market = await client.marketplace();
  expect(market.servers.map(({ serverId }) => serverId)).toEqual([111947, 110602, 112576, 99920]);
  expect(market.skipped).toEqual([]);
});
