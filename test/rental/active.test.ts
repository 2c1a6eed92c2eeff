import { describe, expect, test } from "vitest";
import type { Order } from "../../src/clore/types.ts";
import type { Entry } from "../../src/ledger/ledger.ts";
import { activeOrders, activeUsd } from "../../src/rental/active.ts";
import { refuseOverCap } from "../../src/rental/budget.ts";
import type { RentalRecord } from "../../src/rental/record.ts";

/** The listing is asked for 2 s before now. */
const nowMs = Date.parse("2026-11-20T12:00:00Z");
const minutesAgo = (minutes: number) => new Date(nowMs - minutes * 60_000);
const day = 24 * 60;

/** 2 USD per day, on the server of its number. */
const order = (orderId: number, change: Partial<Order> = {}) =>
  ({
    orderId,
    serverId: orderId,
    currency: "USD-Blockchain",
    pricePerDay: 2,
    expired: false,
    createdAt: minutesAgo(30),
    ...change,
  }) as Order;
const over = (orderId: number, change: Partial<Order> = {}) => order(orderId, { expired: true, ...change });

/** An intent on server 9 for 1 USD per day, without an answer. */
const asked = (minutes: number, change: Partial<Entry> = {}) =>
  ({
    account: "a",
    serverId: 9,
    currency: "USD-Blockchain",
    pricePerDay: 1,
    pricePerDayUsd: 1,
    at: minutesAgo(minutes),
    changedAt: minutesAgo(minutes),
    ...change,
  }) as Entry;
const accepted = (minutes: number) => asked(minutes, { outcome: "accepted" });
/** Order 7 on server 9. */
const seen = (minutes: number, change: Partial<Entry> = {}) =>
  asked(minutes, { outcome: "order", orderId: 7, ...change });
/** Order 8 for 4 USD per day, as a state names it. */
const recorded = { account: "a", orderId: 8, serverId: 8, pricePerDay: 4, pricePerDayUsd: 4 } as RentalRecord;

interface Row {
  name: string;
  listing: Order[];
  earlier?: Order[];
  /** Asked for after the listing; undefined: not asked. */
  completed?: Order[];
  entries?: Entry[];
  recorded?: RentalRecord[];
  bids?: ReadonlyMap<number, number>;
  usd: number;
  /** Whether the completed orders are wanted. @default false */
  inDoubt?: true;
}

const look = ({ listing, completed, entries = [], ...rest }: Omit<Row, "name" | "usd">) =>
  activeOrders({
    ...rest,
    listing: { orders: listing, requestedAtMs: nowMs - 2000 },
    completed: completed && { orders: completed, requestedAtMs: nowMs - 1000 },
    entries,
    account: "a",
    nowMs,
  });
const usdPerUnit = (currency: string) => ({ "USD-Blockchain": 1, bitcoin: 60_000 })[currency];

describe("what counts as billing", () => {
  test.each<Row>([
    // A whole listing.
    {
      name: "live orders, in USD",
      listing: [order(1), order(2, { currency: "bitcoin", pricePerDay: 0.0001 })],
      usd: 8,
    },
    { name: "not what has expired", listing: [order(1), over(2)], usd: 2 },
    { name: "what was seen and is listed, once", listing: [order(7)], entries: [seen(30)], usd: 2 },
    { name: "an intent that is listed by now, once", listing: [order(9)], entries: [asked(1)], usd: 2 },
    {
      name: "not what was given back",
      listing: [order(1)],
      entries: [seen(1, { outcome: "cancelled" })],
      usd: 2,
    },
    { name: "not another account's", listing: [order(1)], entries: [seen(1, { account: "b" })], usd: 2 },
    {
      name: "a bid that the listing does not show yet",
      listing: [order(1)],
      bids: new Map([[1, 6]]),
      usd: 6,
    },
    {
      name: "a price without USD, by today's rate",
      listing: [order(1)],
      entries: [asked(1, { currency: "bitcoin", pricePerDay: 0.0001, pricePerDayUsd: 0 })],
      usd: 8,
    },

    // A late listing.
    { name: "what is being rented", listing: [order(1)], entries: [asked(1)], usd: 3 },
    { name: "what was accepted a moment ago", listing: [order(1)], entries: [accepted(1)], usd: 3 },
    { name: "two intents on one server, once", listing: [order(1)], entries: [asked(2), asked(1)], usd: 3 },
    {
      name: "what was seen after the listing was asked for",
      listing: [order(1)],
      entries: [seen(0)],
      usd: 3,
    },
    {
      name: "not what was given back after the listing was asked for",
      listing: [order(1), order(7)],
      entries: [seen(0, { outcome: "cancelled" })],
      usd: 2,
    },
    {
      name: "what is listed although the ledger takes it for ended",
      listing: [order(1), order(7)],
      entries: [seen(5, { outcome: "ended" })],
      usd: 4,
    },

    {
      name: "not what has ended between the two listings",
      listing: [order(1), order(2)],
      completed: [order(1), over(2)],
      usd: 2,
    },

    // A shrunken listing.
    {
      name: "what was seen, until it is named as ended",
      listing: [order(1)],
      entries: [seen(30)],
      usd: 3,
      inDoubt: true,
    },
    {
      name: "what the completed orders name as live",
      listing: [order(1)],
      completed: [order(1), order(7), order(5)],
      entries: [seen(30)],
      usd: 6,
    },
    {
      name: "not what they name as ended",
      listing: [order(1)],
      completed: [order(1), over(7)],
      entries: [seen(30)],
      usd: 2,
    },
    {
      name: "what they do not name, for a day",
      listing: [order(1)],
      completed: [order(1)],
      entries: [seen(day - 1)],
      usd: 3,
    },
    { name: "not for longer", listing: [order(1)], completed: [order(1)], entries: [seen(day + 1)], usd: 2 },
    {
      name: "what another listing of the run named",
      listing: [order(1)],
      earlier: [order(1), order(2)],
      usd: 4,
      inDoubt: true,
    },
    {
      name: "not when it has ended since",
      listing: [order(1)],
      earlier: [order(7)],
      entries: [seen(1, { outcome: "cancelled" })],
      usd: 2,
    },
    {
      name: "not when it is named as ended",
      listing: [order(1)],
      earlier: [order(2)],
      completed: [over(2), order(1)],
      usd: 2,
    },
    { name: "what a state names", listing: [order(1)], recorded: [recorded], usd: 6, inDoubt: true },
    {
      name: "not what a state alone names",
      listing: [order(1)],
      completed: [order(1)],
      recorded: [recorded],
      usd: 2,
    },
    {
      name: "not a state of another account",
      listing: [order(1)],
      recorded: [{ ...recorded, account: "b" }],
      usd: 2,
    },

    // An empty listing.
    { name: "nothing yet, and that is doubted", listing: [], usd: 0, inDoubt: true },
    {
      name: "what the completed orders name as live, known or not",
      listing: [],
      completed: [order(1), over(2)],
      usd: 2,
    },
    { name: "nothing in a new account", listing: [], completed: [], usd: 0 },
    {
      name: "what was seen, when all is empty",
      listing: [],
      completed: [],
      entries: [seen(9 * day)],
      usd: 1,
    },
    {
      name: "what a state names, when all is empty",
      listing: [],
      completed: [],
      recorded: [recorded],
      usd: 4,
    },
    {
      name: "what was accepted, when all is empty",
      listing: [],
      completed: [],
      entries: [accepted(9 * day)],
      usd: 1,
    },

    // A line behind which nothing stands.
    { name: "an intent without an answer, for 10 minutes", listing: [order(1)], entries: [asked(9)], usd: 3 },
    { name: "not for longer", listing: [order(1)], entries: [asked(11)], usd: 2 },
    {
      name: "not for longer, in a new account either",
      listing: [],
      completed: [],
      entries: [asked(11)],
      usd: 0,
    },
    { name: "not when its clock was wrong", listing: [order(1)], entries: [asked(-9 * day)], usd: 2 },
    {
      name: "not a seen one whose clock was wrong",
      listing: [order(1)],
      completed: [order(1)],
      entries: [seen(-9 * day)],
      usd: 2,
    },
    {
      name: "what was accepted and never seen, until it is looked up",
      listing: [order(1)],
      entries: [accepted(11)],
      usd: 3,
      inDoubt: true,
    },
    { name: "then for a day", listing: [order(1)], completed: [order(1)], entries: [accepted(11)], usd: 3 },
    {
      name: "not for longer than that",
      listing: [order(1)],
      completed: [order(1)],
      entries: [accepted(day + 1)],
      usd: 2,
    },
    {
      name: "not when an order on its server has ended since",
      listing: [order(1)],
      completed: [order(1), over(3, { serverId: 9, createdAt: minutesAgo(10) })],
      entries: [accepted(11)],
      usd: 2,
    },
  ])("is $name", ({ usd, inDoubt = false, ...row }) => {
    const active = look(row);
    expect(activeUsd(active.counted, usdPerUnit).usd).toBeCloseTo(usd);
    expect(active.inDoubt).toBe(inDoubt);
  });

  test("cannot be told without a rate", () => {
    const { counted } = look({ listing: [order(1, { currency: "CLORE-Blockchain" })] });
    expect(() => activeUsd(counted, usdPerUnit)).toThrow(
      expect.objectContaining({ code: "rental.cap-unknown" }),
    );
  });

  test("may reach the cap and not pass it", () => {
    refuseOverCap(10, { usd: 6.5, unlistedUsd: 0 }, 3.5);
    expect(() => refuseOverCap(10, { usd: 6.51, unlistedUsd: 0 }, 3.5)).toThrow("would be more than");
  });

  test("is said, with what no listing names", () => {
    const { counted } = look({ listing: [order(1)], entries: [asked(9)] });
    expect(() => refuseOverCap(5, activeUsd(counted, usdPerUnit), 3)).toThrow(
      expect.objectContaining({
        seen: expect.stringContaining(
          "cost 3.00 USD per day, in all stacks; 1.00 USD of it no listing names",
        ),
        hint: expect.stringContaining("`clore ledger --open`"),
      }),
    );
  });
});
