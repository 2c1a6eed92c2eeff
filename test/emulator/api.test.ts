import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startEmulator } from "../../src/emulator/server.ts";
import { Renter, type StandingClock, standing } from "./support.ts";

let renter: Renter;
let clock: StandingClock;

beforeEach(async () => {
  ({ renter, clock } = await standing({
    market: [
      { id: 100 },
      { id: 101, rented: true },
      { id: 102, gigaspot: true },
      { id: 103, allowed_coins: ["bitcoin", "CLORE-Blockchain"] },
      { id: 104 },
      { id: 105, mrl: 72 },
    ],
  }));
});
afterEach(() => renter.emulator.close());

describe("key and endpoint", () => {
  test.each([
    ["no key", {}],
    ["a wrong key", { auth: "x".repeat(32) }],
    ["the Bearer form", { authorization: "Bearer key" }],
    ["the key with Bearer before it", { auth: "Bearer key" }],
  ])("%s is answered with 401 and code 3", async (_name, headers) => {
    expect(await renter.call("GET", "/my_orders", undefined, headers)).toEqual({
      status: 401,
      body: { code: 3 },
    });
  });

  test("the marketplace answers without a key, not with a wrong one", async () => {
    expect((await renter.call("GET", "/marketplace", undefined, {})).body.servers).toHaveLength(6);
    expect((await renter.call("GET", "/marketplace", undefined, { auth: "wrong" })).status).toBe(401);
  });

  test.each([
    ["GET", "/nothing"],
    ["GET", "/create_order"],
    ["POST", "/wallets"],
  ])("%s %s is answered with 404 and code 4", async (method, path) => {
    expect(await renter.call(method, path, method === "POST" ? {} : undefined)).toEqual({
      status: 404,
      body: { code: 4 },
    });
  });
});

describe("limits", () => {
  test("more than a call a second is answered with 429 and exactly code 5", async () => {
    renter.pace = () => {};
    expect((await renter.get("/wallets")).status).toBe(200);
    expect(await renter.get("/wallets")).toEqual({ status: 429, body: { code: 5 } });
    clock.advance(1);
    expect((await renter.get("/wallets")).status).toBe(200);
  });

  test("a refused call does not push the limit further away", async () => {
    renter.pace = () => {};
    await renter.get("/wallets");
    for (let i = 0; i < 5; i++) await renter.get("/wallets");
    clock.advance(1);
    expect((await renter.get("/wallets")).status).toBe(200);
  });

  test("a second create within five seconds is answered with 429, other calls are not", async () => {
    renter.pace = () => clock.advance(1);
    expect((await renter.rent(100)).body).toEqual({ code: 0 });
    expect(await renter.rent(104)).toEqual({ status: 429, body: { code: 5 } });
    expect((await renter.get("/wallets")).status).toBe(200);
    clock.advance(3);
    expect((await renter.rent(104)).body).toEqual({ code: 0 });
  });

  test("a machine 20 times as fast keeps limits 20 times as short", async () => {
    const fast = new Renter(await startEmulator({ machines: "none", marketSize: 0, clock, speed: 20 }));
    await fast.get("/wallets");
    clock.advance(1 / 20);
    expect((await fast.get("/wallets")).status).toBe(200);
    await fast.emulator.close();
  });
});

describe("create_order refuses", () => {
  test.each<[string, Record<string, unknown>]>([
    ["plain USD", { currency: "USD" }],
    ["no image", { image: undefined }],
    ["a server id that is text", { renting_server: "100" }],
    ["an unknown kind", { type: "hourly" }],
    ["spot without a bid", { type: "spot" }],
    ["two http ports", { ports: { "22": "tcp", "80": "http", "8080": "http" } }],
    ["an unknown protocol", { ports: { "22": "udp" } }],
    ["a port that is none", { ports: { "70000": "tcp" } }],
    ["an ssh_key over 3072 characters", { ssh_key: "k".repeat(3073) }],
    ["an ssh_password over 32 characters", { ssh_password: "p".repeat(33) }],
    ["a jupyter_token over 32 characters", { jupyter_token: "t".repeat(33) }],
  ])("%s with 400 and code 2", async (_name, change) => {
    const answer = await renter.rent(100, change);
    expect([answer.status, answer.body.code]).toEqual([400, 2]);
    expect(renter.emulator.ledger().orders).toEqual([]);
  });

  test.each([
    ["&", "a&b"],
    ["non-ASCII", "größer"],
  ])("an env value with %s with 500 and code 1", async (_name, value) => {
    expect(await renter.rent(100, { env: { NAME: value } })).toEqual({ status: 500, body: { code: 1 } });
    expect(renter.emulator.ledger().orders).toEqual([]);
  });

  test.each<[string, number, Record<string, unknown>]>([
    ["server-dont-exist", 999, {}],
    ["server-already-rented", 101, {}],
    ["machine-is-on-gigaspot", 102, {}],
    ["currency-not-allowed", 103, {}],
    ["too_low_price", 104, { type: "spot", spotprice: 0.01 }],
    ["required_price_mismatch", 100, { required_price: 3 }],
  ])("%s with code 6", async (error, server, change) => {
    const answer = await renter.rent(server, change);
    expect(answer.body).toEqual({ code: 6, error });
    expect([200, 500]).toContain(answer.status);
  });

  test("an empty wallet with not_enough_balance", async () => {
    const { renter: poor } = await standing({ wallets: { "USD-Blockchain": 0 } });
    expect((await poor.rent(100)).body).toEqual({ code: 6, error: "not_enough_balance" });
    expect((await poor.rent(100, { currency: "bitcoin" })).body).toEqual({ code: 0 });
    await poor.emulator.close();
  });

  test("code 6 comes under HTTP 200 and under 500", async () => {
    const seen = new Set([(await renter.rent(999)).status, (await renter.rent(999)).status]);
    expect(seen).toEqual(new Set([200, 500]));
  });
});

describe("an order", () => {
  test("gives no id, appears after a delay, then boots", async () => {
    expect(await renter.rent(100, { env: { A: "1" }, command: "sleep 1" })).toEqual({
      status: 200,
      body: { code: 0 },
    });
    const [order] = await renter.orders();
    expect(order).toMatchObject({
      si: 100,
      image: "cloreai/jupyter:ubuntu24.04-v2",
      currency: "USD-Blockchain",
      price: 3.5,
      creation_fee: 0.1,
      mrl: 240 * 3600,
      mon_container: 1,
      online: true,
      pub_cluster: ["127.0.0.1"],
      http_port: "8080",
      gpu_array: [" RTX 3090"],
    });
    expect(order.tcp_ports).toEqual([expect.stringMatching(/^22:\d+$/)]);
    expect(order.http_pub).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    for (const never of ["env", "command", "label", "name", "ssh_key"])
      expect(order).not.toHaveProperty(never);
  });

  test("is listed with mon_container 0 before it has booted", async () => {
    renter.pace = () => {};
    clock.advance(10);
    await renter.rent(100);
    clock.advance(2.2);
    expect(await renter.orders()).toMatchObject([{ mon_container: 0, online: true }]);
  });

  test("is not there at once", async () => {
    const { renter: slow, clock: time } = await standing({ seed: 4 }); // a seed whose first order takes 1.6 s
    await slow.rent(100);
    slow.pace = () => time.advance(1);
    const looks = [await slow.orders(), await slow.orders()];
    expect(looks.map((orders) => orders.length)).toEqual([0, 1]);
    await slow.emulator.close();
  });

  test("takes its server off the market, which comes back when it is cancelled", async () => {
    const rented = async () =>
      (await renter.get("/marketplace")).body.servers.find((one: { id: number }) => one.id === 100).rented;
    await renter.rent(100);
    expect(await rented()).toBe(true);
    expect((await renter.rent(100)).body).toEqual({ code: 6, error: "server-already-rented" });
    const [order] = await renter.orders();
    expect((await renter.post("/cancel_order", { id: order.id })).body).toEqual({ code: 0 });
    expect(await rented()).toBe(false);
    expect(await renter.orders()).toEqual([]);
    expect((await renter.get("/my_orders?return_completed=true")).body.orders).toMatchObject([
      { id: order.id, expired: true },
    ]);
  });

  test("can be cancelled once, and only by its owner", async () => {
    await renter.rent(100);
    const [{ id }] = await renter.orders();
    expect((await renter.post("/cancel_order", { id: 1 })).body).toEqual({
      code: 6,
      error: "you_dont_own_this_order",
    });
    expect((await renter.post("/cancel_order", { id, issue: "x".repeat(2049) })).body).toEqual({
      code: 6,
      error: "issue_description_too_long",
    });
    expect((await renter.post("/cancel_order", { id: String(id) })).status).toBe(400);
    expect((await renter.post("/cancel_order", { id, issue: "slow" })).body).toEqual({ code: 0 });
    expect((await renter.post("/cancel_order", { id })).body).toEqual({ code: 6, error: "order_not_active" });
  });

  test("ends by itself after its longest rental", async () => {
    await renter.rent(105);
    clock.advance(72 * 3600 - 60);
    expect(await renter.orders()).toHaveLength(1);
    clock.advance(120);
    expect(await renter.orders()).toEqual([]);
    expect(renter.emulator.ledger().orders).toMatchObject([{ why: "expired" }]);
  });
});

describe("spot", () => {
  beforeEach(async () => {
    expect((await renter.rent(104, { type: "spot", spotprice: 4 })).body).toEqual({ code: 0 });
  });
  const bid = async (price: number) => {
    const [order] = await renter.orders();
    return (await renter.post("/set_spot_price", { order_id: order.id, desired_price: price })).body;
  };

  test("has one order a server", async () => {
    expect((await renter.rent(104, { type: "spot", spotprice: 5 })).body.error).toBe(
      "you_already_have_spot_order",
    );
  });

  test("shows bids, minimum prices and rates", async () => {
    const { body } = await renter.get("/spot_marketplace?market=104");
    expect(body).toMatchObject({
      exists: true,
      market: {
        offers: [{ bid: 4, active: true, my: true, currency: "USD-Blockchain" }],
        server: { min_pricing: { "USD-Blockchain": 2.8 }, mrl: 240, online: true },
        currency_rates_in_usd: { "USD-Blockchain": 1 },
      },
    });
    expect((await renter.get("/spot_marketplace?market=999")).body.exists).toBe(false);
  });

  test("a bid is lowered by a tenth at most, once in 600 s", async () => {
    expect(await bid(3.5)).toEqual({ code: 6, error: "exceeded_max_step", max_step: 0.4 });
    expect(await bid(3.7)).toEqual({ code: 0 });
    expect(await bid(3.5)).toEqual({ code: 6, error: "can_lower_every_600_seconds", time_to_lowering: 588 });
    clock.advance(600);
    expect(await bid(3.5)).toEqual({ code: 0 });
    expect((await renter.orders())[0]).toMatchObject({ price: 3.5, spot: true });
  });

  test("a bid below the minimum is amount_too_low, an unknown order order_dont_exist", async () => {
    expect(await bid(1)).toEqual({ code: 6, error: "amount_too_low" });
    expect((await renter.post("/set_spot_price", { order_id: 1, desired_price: 3 })).body.error).toBe(
      "order_dont_exist",
    );
  });
});

test("a body that is no JSON object is code 2", async () => {
  expect((await renter.post("/create_order", "[]")).status).toBe(400);
  expect((await renter.post("/create_order", "{")).status).toBe(400);
});

test("renter_fees states 5 and 1.25 percent and the creation fee", async () => {
  expect((await renter.get("/renter_fees")).body).toMatchObject({
    renter_fees: { on_demand: { base: { "USD-Blockchain": 5 } }, spot: { base: { "USD-Blockchain": 1.25 } } },
    creation_fees: { on_demand: { "USD-Blockchain": 0.1 } },
  });
});

test("the log has every call with its outcome, and neither key nor body", async () => {
  await renter.rent(100, { env: { TOKEN: "topsecret" } });
  await renter.get("/wallets");
  expect(renter.emulator.requests).toMatchObject([
    { method: "POST", path: "/v1/create_order", status: 200, code: 0, ip: "127.0.0.1" },
    { method: "GET", path: "/v1/wallets", status: 200, code: 0 },
  ]);
  const text = JSON.stringify(renter.emulator.requests);
  expect(text).not.toContain(renter.emulator.apiKey);
  expect(text).not.toContain("topsecret");
});
