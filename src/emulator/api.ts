import type { Faults } from "./faults.ts";
import { type Coin, coins, type Row, usdPerCoin } from "./market/rows.ts";
import { foreignBids, type OrderBook } from "./orders/book.ts";
import { creationFee, feeShare } from "./orders/money.ts";
import { readCreate } from "./orders/request.ts";
import { setSpotPrice } from "./orders/spot.ts";
import { invalid, ok, type Reply, refused } from "./reply.ts";
import type { EmulatedTime } from "./time.ts";

/** What the endpoints work on. */
export interface World {
  time: EmulatedTime;
  /** As listed, rubbish included. */
  rows: readonly unknown[];
  market: ReadonlyMap<number, Row>;
  wallets: Record<Coin, number>;
  book: OrderBook;
  faults: Faults;
}

export interface Call {
  query: URLSearchParams;
  body: Record<string, unknown>;
}

interface Endpoint {
  method: "GET" | "POST";
  /** Answers without a key. */
  open?: boolean;
  run(world: World, call: Call): Reply | Promise<Reply>;
}

/** Every renter endpoint by its path under /v1. */
export const endpoints: Readonly<Record<string, Endpoint>> = {
  "/wallets": { method: "GET", run: wallets },
  "/marketplace": { method: "GET", open: true, run: marketplace },
  "/spot_marketplace": { method: "GET", run: spotMarketplace },
  "/my_orders": { method: "GET", run: myOrders },
  "/renter_fees": { method: "GET", run: renterFees },
  "/create_order": { method: "POST", run: createOrder },
  "/cancel_order": { method: "POST", run: cancelOrder },
  "/set_spot_price": {
    method: "POST",
    run: (world, { body }) => setSpotPrice(world, body.order_id, body.desired_price),
  },
};

function wallets({ wallets: balances, book }: World): Reply {
  book.settle();
  return ok({
    wallets: coins.map((name) => ({
      name,
      deposit: `emulated-${name.toLowerCase()}-address`,
      balance: Math.max(0, balances[name]),
      withdrawal_fee: name === "bitcoin" ? 0.0001 : 1,
    })),
  });
}

function marketplace({ rows, book }: World): Reply {
  const ours = new Set(book.active().map((order) => order.row.id));
  const servers = rows.map((row) => (ours.has((row as Row).id) ? { ...(row as Row), rented: true } : row));
  return ok({ servers, my_servers: [] });
}

function spotMarketplace({ market, book }: World, { query }: Call): Reply {
  const id = Number(query.get("market"));
  if (!query.get("market") || !Number.isInteger(id)) return invalid("market");
  const row = market.get(id);
  if (!row?.price?.spot)
    return ok({ exists: false, market: { offers: [], server: {}, currency_rates_in_usd: usdPerCoin } });
  const mine = book.active().filter((order) => order.row.id === id && order.kind === "spot");
  const offers = [
    ...foreignBids(row, "USD-Blockchain").map((bid) => ({
      offer_id: id * 10,
      bid,
      active: mine.length === 0,
      my: false,
      currency: "USD-Blockchain",
    })),
    ...mine.map((order) => ({
      offer_id: order.id,
      bid: order.pricePerDay,
      active: !order.outbid,
      my: true,
      currency: order.coin,
    })),
    ...mine
      .filter((order) => order.outbid)
      .map((order) => ({
        offer_id: id * 10 + 1,
        bid: Number((order.pricePerDay * 1.1).toPrecision(6)),
        active: true,
        my: false,
        currency: order.coin,
      })),
  ];
  return ok({
    exists: true,
    market: {
      offers,
      server: { min_pricing: row.price.spot, mrl: row.mrl, online: true, visibility: "public" },
      currency_rates_in_usd: usdPerCoin,
    },
  });
}

function myOrders({ time, book }: World, { query }: Call): Reply {
  book.settle();
  const now = time.now();
  const completed = query.get("return_completed") === "true";
  const shown = book.all.filter((order) =>
    order.endedAt === undefined ? now >= order.visibleAt : completed,
  );
  return ok({ orders: shown.map((order) => book.show(order)), limit: 0 });
}

function renterFees(): Reply {
  const base = (share: number) => ({ base: Object.fromEntries(coins.map((coin) => [coin, share * 100])) });
  return ok({
    renter_fees: { on_demand: base(feeShare["on-demand"]), spot: base(feeShare.spot) },
    creation_fees: { on_demand: creationFee, spot: creationFee },
    poh_config: {},
    poh_balance: 0,
  });
}

async function createOrder({ book, faults }: World, { body }: Call): Promise<Reply> {
  const request = readCreate(body);
  if ("status" in request) return request;
  const struck = faults.forRental(request.serverId);
  const birth = { extraVisibleMs: 0, stuck: false, priceFactor: 1, gpus: undefined, diskFull: false };
  for (const strike of struck.birth) strike(birth);
  const placed = await book.create(request, birth);
  if ("status" in placed) return placed;
  for (const strike of struck.host) {
    // Line faults hold at once; those that need the machine wait for it, the answer does not.
    void Promise.resolve(strike(placed)).catch((error) =>
      book.problem(`order ${placed.id}: fault: ${error}`),
    );
  }
  return ok();
}

function cancelOrder({ book }: World, { body }: Call): Reply {
  if (typeof body.id !== "number" || !Number.isInteger(body.id)) return invalid("id");
  if (body.issue !== undefined && typeof body.issue !== "string") return invalid("issue");
  if (typeof body.issue === "string" && body.issue.length > 2048)
    return refused("issue_description_too_long");
  return book.cancel(body.id);
}
