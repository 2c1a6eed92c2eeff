import type { CallFault } from "../faults.ts";
import { cut, databaseError, type Reply, refused, tooFast } from "../reply.ts";

const create = "/create_order";
const cancel = "/cancel_order";
const orders = "/my_orders";

const cloudflare = (status: number, title: string, text: string): Reply => ({
  status,
  body: `<!DOCTYPE html>\n<html lang="en-US"><head><title>${title}</title></head>\n<body><h1>${text}</h1><p>Cloudflare Ray ID: 0000000000000000</p></body></html>\n`,
});

/** Instead of an answer to create_order. */
const createRefused = (error: string, status?: 200 | 500): CallFault => ({
  at: "call",
  path: create,
  before: () => refused(error, {}, status),
  seen: `create_order is refused with ${error}${status ? ` under HTTP ${status}` : ""}`,
});

/** Faults of the API's answers. */
export const callFaults: Readonly<Record<string, CallFault>> = {
  "success-then-cut": {
    at: "call",
    path: create,
    after: () => "cut",
    seen: "the server is rented, the connection is cut before the answer",
  },
  "cut-before": {
    at: "call",
    before: () => cut,
    seen: "the connection is cut and nothing was done",
  },
  "create-500-after-success": {
    at: "call",
    path: create,
    after: () => databaseError,
    seen: "HTTP 500 code 1, rented all the same",
  },
  "create-500": {
    at: "call",
    path: create,
    before: () => databaseError,
    seen: "HTTP 500 code 1, nothing rented",
  },
  "code6-200": createRefused("server-offline", 200),
  "code6-500": createRefused("server-offline", 500),
  "currency-not-allowed": createRefused("currency-not-allowed"),
  "server-already-rented": createRefused("server-already-rented"),
  "server-offline": createRefused("server-offline"),
  "not-enough-balance": createRefused("not_enough_balance"),
  "empty-listing": {
    at: "call",
    path: orders,
    after: (reply) => withOrders(reply, () => []),
    seen: "my_orders is empty although orders stand",
  },
  "shrunken-listing": {
    at: "call",
    path: orders,
    after: (reply) => withOrders(reply, (list) => list.slice(0, Math.floor(list.length / 2))),
    seen: "half of my_orders is missing",
  },
  "rate-limit-storm": { at: "call", before: () => tooFast, seen: "429 although the pace was kept" },
  "html-403": {
    at: "call",
    before: () => cloudflare(403, "Access denied", "error code: 1010"),
    seen: "HTTP 403 with Cloudflare's page, error code 1010",
  },
  "html-502": {
    at: "call",
    before: () => cloudflare(502, "api.clore.ai | 502: Bad gateway", "Bad gateway"),
    seen: "HTTP 502 with an HTML page",
  },
  "server-error": {
    at: "call",
    before: () => databaseError,
    seen: "HTTP 500 code 1, nothing done",
  },
  "cancel-ignored-once": {
    at: "call",
    path: cancel,
    before: () => ({ status: 200, body: { code: 0 } }),
    seen: "code 0, and the order goes on",
  },
  "cancel-fails-then-works": {
    at: "call",
    path: cancel,
    before: () => databaseError,
    seen: "HTTP 500 code 1, and the order goes on",
  },
  "cancel-500-after-success": {
    at: "call",
    path: cancel,
    after: () => databaseError,
    seen: "HTTP 500 code 1, cancelled all the same",
  },
  "slow-answer": {
    at: "call",
    before: async (options, stage) => {
      await stage.sleep(options.ms ?? 5000);
      return undefined;
    },
    seen: "the answer takes `ms` (5 s) longer",
  },
};

function withOrders(reply: Reply, change: (list: unknown[]) => unknown[]): Reply {
  if (typeof reply.body === "string" || !Array.isArray(reply.body.orders)) return reply;
  return { ...reply, body: { ...reply.body, orders: change(reply.body.orders) } };
}
