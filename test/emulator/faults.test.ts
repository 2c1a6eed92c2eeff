import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { faultTable } from "../../src/emulator/faults.ts";
import type { Emulator } from "../../src/emulator/server.ts";
import { connect, living, type Renter, rentAndWait, run, sshPort, standing } from "./support.ts";

const struck = new Set<string>();

/** Orders a fault and remembers that it was tried. */
async function order(
  emulator: Emulator,
  name: string,
  options?: Parameters<Emulator["faults"]["order"]>[1],
): Promise<void> {
  struck.add(name);
  await emulator.faults.order(name, options);
}

describe("faults of the API", () => {
  const fresh = () => standing({ market: [{ id: 100 }, { id: 104 }] });
  const cut = "the connection was cut";
  const call = async (answer: Promise<{ status: number; body: unknown }>) => {
    const { status, body } = await answer.catch(() => ({ status: 0, body: cut }));
    return { status, body };
  };

  test.each<{ name: string; answer: unknown; rented: number }>([
    { name: "success-then-cut", answer: { status: 0, body: cut }, rented: 1 },
    { name: "cut-before", answer: { status: 0, body: cut }, rented: 0 },
    { name: "create-500-after-success", answer: { status: 500, body: { code: 1 } }, rented: 1 },
    { name: "create-500", answer: { status: 500, body: { code: 1 } }, rented: 0 },
    { name: "server-error", answer: { status: 500, body: { code: 1 } }, rented: 0 },
    { name: "code6-200", answer: { status: 200, body: { code: 6, error: "server-offline" } }, rented: 0 },
    { name: "code6-500", answer: { status: 500, body: { code: 6, error: "server-offline" } }, rented: 0 },
    { name: "currency-not-allowed", answer: { body: { code: 6, error: "currency-not-allowed" } }, rented: 0 },
    {
      name: "server-already-rented",
      answer: { body: { code: 6, error: "server-already-rented" } },
      rented: 0,
    },
    { name: "server-offline", answer: { body: { code: 6, error: "server-offline" } }, rented: 0 },
    { name: "not-enough-balance", answer: { body: { code: 6, error: "not_enough_balance" } }, rented: 0 },
    { name: "rate-limit-storm", answer: { status: 429, body: { code: 5 } }, rented: 0 },
    {
      name: "html-403",
      answer: { status: 403, body: expect.stringContaining("error code: 1010") },
      rented: 0,
    },
    { name: "html-502", answer: { status: 502, body: expect.stringContaining("<html") }, rented: 0 },
    { name: "slow-answer", answer: { status: 200, body: { code: 0 } }, rented: 1 },
  ])("$name strikes a create once, then all is well", async ({ name, answer, rented }) => {
    const { renter } = await fresh();
    await order(renter.emulator, name);
    expect(await call(renter.rent(100))).toMatchObject(answer as object);
    expect(renter.emulator.active()).toHaveLength(rented);
    expect((await renter.rent(104)).body).toEqual({ code: 0 });
    expect(renter.emulator.requests[0]?.faults).toEqual([name]);
    await renter.emulator.close();
  });

  test.each<{ name: string; answer: unknown; left: number }>([
    { name: "cancel-ignored-once", answer: { status: 200, body: { code: 0 } }, left: 1 },
    { name: "cancel-fails-then-works", answer: { status: 500, body: { code: 1 } }, left: 1 },
    { name: "cancel-500-after-success", answer: { status: 500, body: { code: 1 } }, left: 0 },
  ])("$name strikes a cancel once", async ({ name, answer, left }) => {
    const { renter } = await fresh();
    await renter.rent(100);
    const [{ id }] = await renter.orders();
    await order(renter.emulator, name);
    expect(await renter.post("/cancel_order", { id })).toMatchObject(answer as object);
    expect(renter.emulator.active()).toHaveLength(left);
    await renter.post("/cancel_order", { id });
    expect(renter.emulator.active()).toEqual([]);
    await renter.emulator.close();
  });

  test.each([
    { name: "empty-listing", shown: 0 },
    { name: "shrunken-listing", shown: 1 },
  ])("$name shows $shown of two orders, then both", async ({ name, shown }) => {
    const { renter } = await fresh();
    await renter.rent(100);
    await renter.rent(104);
    await order(renter.emulator, name);
    expect(await renter.orders()).toHaveLength(shown);
    expect(await renter.orders()).toHaveLength(2);
    await renter.emulator.close();
  });

  test("delayed-visibility hides an order for 20 s", async () => {
    const { renter } = await fresh();
    await order(renter.emulator, "delayed-visibility");
    await renter.rent(100);
    const seen = [await renter.orders(), await renter.orders(), await renter.orders(), await renter.orders()];
    expect(seen.map((orders) => orders.length)).toEqual([0, 0, 0, 1]); // a look each 6 s
    await renter.emulator.close();
  });

  test("stuck-container leaves mon_container at 0", async () => {
    const { renter, clock } = await fresh();
    await order(renter.emulator, "stuck-container", { serverId: 104 });
    await renter.rent(104);
    await renter.rent(100);
    clock.advance(3600);
    expect((await renter.orders()).map((one) => [one.si, one.mon_container])).toEqual([
      [104, 0],
      [100, 1],
    ]);
    await renter.emulator.close();
  });

  test("price-changed asks more than was listed, and is refused where the price is required", async () => {
    const { renter } = await fresh();
    await order(renter.emulator, "price-changed", { times: 2, factor: 2 });
    expect((await renter.rent(100, { required_price: 3.5 })).body.code).toBe(6);
    await renter.rent(100);
    expect((await renter.orders())[0].price).toBe(7);
    await renter.emulator.close();
  });

  test("clock-skew dates an order by another clock", async () => {
    const { renter, clock } = await fresh();
    await order(renter.emulator, "clock-skew", { ms: -3_600_000 });
    await renter.rent(100);
    expect((await renter.orders())[0].ct).toBe(Math.floor(clock.now() / 1000) - 6 - 3600);
    await renter.emulator.close();
  });

  test("order-vanishes takes the order away without a cancel", async () => {
    const { renter } = await fresh();
    await renter.rent(100);
    await renter.rent(104);
    await order(renter.emulator, "order-vanishes", { serverId: 104 });
    expect((await renter.orders()).map((one) => one.si)).toEqual([100]);
    expect(renter.emulator.ledger().orders.map((one) => one.why)).toEqual([undefined, "vanished"]);
    await renter.emulator.close();
  });

  test("outbid stops a spot order's container and shows in the spot market, until more is bid", async () => {
    const { renter } = await fresh();
    await renter.rent(104, { type: "spot", spotprice: 3 });
    await order(renter.emulator, "outbid");
    const [{ id, mon_container }] = await renter.orders();
    expect(mon_container).toBe(0);
    const mine = async () =>
      (await renter.get("/spot_marketplace?market=104")).body.market.offers.find(
        (one: { my: boolean }) => one.my,
      );
    expect(await mine()).toMatchObject({ bid: 3, active: false });
    await renter.post("/set_spot_price", { order_id: id, desired_price: 3.5 });
    expect(await mine()).toMatchObject({ bid: 3.5, active: true });
    await renter.emulator.close();
  });

  test("a fault waits for its call, strikes as often as told, and can be taken back", async () => {
    const { renter } = await fresh();
    await order(renter.emulator, "server-error", { path: "my_orders", onCall: 2, times: 2 });
    const codes = [];
    for (let i = 0; i < 4; i++) {
      codes.push((await renter.get("/my_orders")).body.code);
      expect((await renter.get("/wallets")).body.code).toBe(0);
    }
    expect(codes).toEqual([0, 1, 1, 0]);
    await order(renter.emulator, "server-error");
    renter.emulator.faults.clear();
    expect((await renter.get("/my_orders")).body.code).toBe(0);
    await renter.emulator.close();
  });

  test("faults, ledger and requests are there over HTTP too", async () => {
    const { renter } = await fresh();
    const side = renter.emulator.apiUrl.replace("/v1", "/_emulator");
    const post = (body: unknown) => fetch(`${side}/faults`, { method: "POST", body: JSON.stringify(body) });
    expect((await post({ name: "create-500-after-success", onCall: 1 })).status).toBe(200);
    expect((await renter.rent(100)).status).toBe(500);
    expect(await (await fetch(`${side}/ledger`)).json()).toMatchObject({
      orders: [{ serverId: 100, coin: "USD-Blockchain" }],
    });
    expect(await (await fetch(`${side}/requests`)).json()).toMatchObject({
      requests: [{ path: "/v1/create_order", code: 1 }],
    });
    const unknown = await post({ name: "no-such" });
    expect([unknown.status, await unknown.json()]).toMatchObject([
      400,
      { error: expect.stringContaining("success-then-cut") },
    ]);
    await renter.emulator.close();
  });
});

describe("faults of hosts", () => {
  let renter: Renter;
  let next = 200;
  beforeAll(async () => {
    renter = await living({ market: Array.from({ length: 40 }, (_, i) => ({ id: 200 + i })) });
  });
  beforeEach(() => renter.emulator.faults.clear());
  afterAll(() => renter.emulator.close());

  const rentWith = async (name: string, options?: Parameters<typeof order>[2]) => {
    await order(renter.emulator, name, options);
    const row = await rentAndWait(renter, next++);
    return { row, to: { port: sshPort(row), privateKey: renter.keys.privateKey, timeoutMs: 700 } };
  };

  test.each([
    ["ssh-refused", /ECONNREFUSED/],
    ["ssh-reset", /ECONNRESET|closed/],
    ["ssh-no-banner", /timed out/i],
    ["ssh-no-auth", /authentication/i],
    ["ssh-cut", /ECONNRESET|closed|handshake/i],
    ["ssh-half-open", /timed out/i],
  ])("%s keeps people out: %s", async (name, message) => {
    const { to } = await rentWith(name, name === "ssh-cut" || name === "ssh-half-open" ? { bytes: 200 } : {});
    await expect(connect(to)).rejects.toThrow(message);
  });

  test("ssh-slow-banner lets in who waits, ssh-well mends the line", async () => {
    const { row, to } = await rentWith("ssh-slow-banner", { ms: 1200 });
    await expect(connect(to)).rejects.toThrow(/timed out/i);
    expect((await run({ ...to, timeoutMs: 8000 } as typeof to, "echo in")).stdout).toBe("in\n");
    await order(renter.emulator, "ssh-well", { orderId: row.id });
    expect((await run(to, "echo in")).stdout).toBe("in\n");
  });

  test.each([
    ["ssh-slow", { ms: 100 }],
    ["ssh-slow-line", { bytes: 20_000 }],
  ])("%s takes its time", async (name, options) => {
    const { to } = await rentWith(name, options);
    const start = performance.now();
    expect(
      (await run({ ...to, timeoutMs: 8000 } as typeof to, "head -c 8000 /dev/zero | tr '\\0' x")).stdout,
    ).toHaveLength(8000);
    expect(performance.now() - start).toBeGreaterThan(400);
  });

  test("host-key-changed shows another key at the second connection", async () => {
    const { to } = await rentWith("host-key-changed");
    const keys = [];
    for (let i = 0; i < 3; i++) {
      const client = await connect({ ...to, timeoutMs: 8000 });
      keys.push(client.hostKey);
      client.end();
    }
    expect(keys[0]).not.toBe(keys[1]);
    expect(keys[1]).toBe(keys[2]);
  });

  test("wrong-gpu and no-gpu show in nvidia-smi", async () => {
    const query = "nvidia-smi --query-gpu=name,memory.total --format=csv,noheader";
    expect((await run((await rentWith("wrong-gpu")).to, query)).stdout).toBe(
      "NVIDIA GeForce GTX 1050 Ti, 4096 MiB\n",
    );
    expect((await run((await rentWith("no-gpu")).to, query)).code).toBe(9);
  });

  test("full-disk shows in df", async () => {
    expect((await run((await rentWith("full-disk")).to, "df .")).stdout).toContain("100%");
  });

  test("killed-processes, ssh-drop and reboot strike what runs", async () => {
    const row = await rentAndWait(renter, next++);
    const to = { port: sshPort(row), privateKey: renter.keys.privateKey };
    const running = async () => (await run(to, "pgrep -f '[s]leep 4715'")).stdout.trim() !== "";
    const start = "nohup setsid sleep 4715 >/dev/null 2>&1 </dev/null &";
    await run(to, start);
    expect(await running()).toBe(true);
    await order(renter.emulator, "killed-processes", { orderId: row.id });
    expect(await running()).toBe(false);

    const client = await connect(to);
    const dropped = new Promise<void>((resolve) => client.on("error", () => {}).on("close", () => resolve()));
    await order(renter.emulator, "ssh-drop", { orderId: row.id });
    await dropped;

    await run(to, start);
    await order(renter.emulator, "reboot", { orderId: row.id });
    await expect(connect(to)).rejects.toThrow();
    await delay(1600);
    expect(await running()).toBe(false);
  });
});

test("every fault of the table was tried here", () => {
  expect([...struck].toSorted()).toEqual(Object.keys(faultTable).toSorted());
});
