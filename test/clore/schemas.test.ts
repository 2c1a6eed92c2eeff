import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ordersSchema, renterFeesSchema, spotMarketSchema } from "../../src/clore/schemas.ts";
import type { Order } from "../../src/clore/types.ts";

const captured = JSON.parse(
  readFileSync(new URL("../fixtures/clore/my_orders.live.json", import.meta.url), "utf8"),
);
const live = captured.orders[0];
const least = { id: 1, si: 2, ct: 1783703890, price: 2, currency: "bitcoin" };

test("the captured order, in our units", () => {
  expect(ordersSchema.parse(captured)).toEqual([
    {
      orderId: 1939941,
      serverId: 88028,
      image: "cloreai/jupyter:ubuntu24.04-v2",
      market: "on-demand",
      currency: "USD-Blockchain",
      pricePerDay: 2,
      creationFee: 0.1,
      spent: 2 / 1440,
      createdAt: new Date("2026-07-10T17:18:10Z"),
      expired: false,
      online: true,
      containerUp: false,
      addresses: ["n1.us.clorecloud.net"],
      tcpPorts: { 22: 1972 },
      httpPort: 8080,
      httpUrl: "https://2q8138x0hvvzh.us.clorecloud.net",
      gpus: ["RTX 3090"],
      maxRentalSeconds: 604800,
    } satisfies Order,
  ]);
});

test.each<{ name: string; change: object; expected: Partial<Order> }>([
  { name: "a bare http name", change: { http_pub: "a.example" }, expected: { httpUrl: "https://a.example" } },
  {
    name: "an http address with scheme",
    change: { http_pub: "http://127.0.0.1:31080/" },
    expected: { httpUrl: "http://127.0.0.1:31080" },
  },
  { name: "an http name that is none", change: { http_pub: "a b" }, expected: { httpUrl: undefined } },
  { name: "another scheme", change: { http_pub: "file:///etc/passwd" }, expected: { httpUrl: undefined } },
  {
    name: "a loopback address",
    change: { pub_cluster: ["127.0.0.1"] },
    expected: { addresses: ["127.0.0.1"] },
  },
  {
    name: "an address as text",
    change: { pub_cluster: "n1.example" },
    expected: { addresses: ["n1.example"] },
  },
  {
    name: "addresses that are none",
    change: { pub_cluster: ["-x;rm", "a b", 7, "\u001b[2J", "ok.example"] },
    expected: { addresses: ["-x;rm", "ok.example"].slice(1) },
  },
  {
    name: "ports",
    change: { tcp_ports: ["22:1972", "80 : 1", "70000:1", 5, "11434:1973"] },
    expected: { tcpPorts: { 22: 1972, 11434: 1973 } },
  },
  { name: "a container that is up", change: { mon_container: 1 }, expected: { containerUp: true } },
  { name: "a spot order", change: { spot: 1.5 }, expected: { market: "spot" } },
  { name: "an expired order", change: { expired: true }, expected: { expired: true } },
  { name: "a length in hours", change: { mrl: 240 }, expected: { maxRentalSeconds: 864000 } },
  {
    name: "a start in milliseconds",
    change: { ct: 1783703890000 },
    expected: { createdAt: new Date(1783703890000) },
  },
  { name: "an older name of the price", change: { price: undefined, p: 3 }, expected: { pricePerDay: 3 } },
])("an order with $name", ({ change, expected }) => {
  expect(ordersSchema.parse({ orders: [{ ...live, ...change }] })[0]).toMatchObject(expected);
});

test("an order with the least that it can have", () => {
  expect(ordersSchema.parse({ orders: [least] })[0]).toMatchObject({
    orderId: 1,
    serverId: 2,
    pricePerDay: 2,
    creationFee: 0,
    spent: 0,
    online: false,
    containerUp: false,
    addresses: [],
    tcpPorts: {},
    httpUrl: undefined,
    maxRentalSeconds: undefined,
  });
});

test.each([{}, { orders: undefined }, { orders: null }, { orders: [] }])("no orders: %j", (answer) => {
  expect(ordersSchema.parse(answer)).toEqual([]);
});

test.each(["id", "si", "ct", "price", "currency"])(
  "an order without readable %s fails the listing: it must not look gone",
  (field) => {
    for (const value of [undefined, null, "x", -1, {}]) {
      if (field === "currency" && value === "x") continue;
      const result = ordersSchema.safeParse({ orders: [live, { ...least, [field]: value }] });
      expect(result.error?.issues[0]?.path).toEqual(["orders", 1, field]);
    }
  },
);

test("orders that are no list fail", () => {
  expect(ordersSchema.safeParse({ orders: "none" }).success).toBe(false);
});

test("no rubbish in an optional field of an order fails or loses it", () => {
  const optional = [
    "image",
    "spot",
    "expired",
    "online",
    "mon_container",
    "pub_cluster",
    "tcp_ports",
    "http_port",
    "http_pub",
    "gpu_array",
    "mrl",
    "specs",
  ];
  fc.assert(
    fc.property(fc.constantFrom(...optional), fc.anything(), (field, value) => {
      expect(ordersSchema.parse({ orders: [{ ...live, [field]: value }] })[0]!.orderId).toBe(live.id);
    }),
    { numRuns: 300 },
  );
});

test("the spot market of a server", () => {
  const answer = {
    exists: true,
    market: {
      offers: [{ offer_id: 3, bid: 1.5, active: true, my: false, currency: "bitcoin" }, { bid: "0.5" }],
      server: { min_pricing: { bitcoin: 0.00002, other: 1 }, mrl: 72, online: true, visibility: "public" },
      currency_rates_in_usd: { bitcoin: 64000.5, "CLORE-Blockchain": "0.0012" },
    },
  };
  expect(spotMarketSchema(7).parse(answer)).toEqual({
    serverId: 7,
    exists: true,
    offers: [
      { offerId: 3, bidPerDay: 1.5, active: true, mine: false, currency: "bitcoin" },
      { offerId: undefined, bidPerDay: 0.5, active: false, mine: false, currency: undefined },
    ],
    online: true,
    minPricePerDay: { bitcoin: 0.00002 },
    usdPerUnit: { bitcoin: 64000.5, "CLORE-Blockchain": 0.0012 },
  });
  expect(spotMarketSchema(7).parse({ exists: false })).toMatchObject({
    exists: false,
    offers: [],
    online: false,
  });
  expect(spotMarketSchema(7).safeParse({ exists: true, market: { offers: [{ bid: "high" }] } }).success).toBe(
    false,
  );
});

test("fees are shares, not percentages", () => {
  const answer = {
    renter_fees: {
      on_demand: { base: { bitcoin: 5, "USD-Blockchain": "5" } },
      spot: { base: { bitcoin: 1.25, odd: "x" } },
    },
    creation_fees: { on_demand: { "USD-Blockchain": 0.1 }, spot: { base: { bitcoin: 0.000001 } } },
    poh_config: {},
  };
  expect(renterFeesSchema.parse(answer)).toEqual({
    onDemandShare: { bitcoin: 0.05, "USD-Blockchain": 0.05 },
    spotShare: { bitcoin: 0.0125 },
    creationFee: { onDemand: { "USD-Blockchain": 0.1 }, spot: { bitcoin: 0.000001 } },
  });
  expect(renterFeesSchema.safeParse({}).success).toBe(false);
});
