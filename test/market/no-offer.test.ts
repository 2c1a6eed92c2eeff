import { expect, test } from "vitest";
import type { MarketServer } from "../../src/clore/types.ts";
import { noOfferError } from "../../src/market/no-offer.ts";
import type { OfferRequest } from "../../src/market/request.ts";
import { select } from "../../src/market/select.ts";
import type { SelectContext } from "../../src/market/steps.ts";
import { context, server, usd } from "./servers.ts";

interface Case {
  name: string;
  servers: MarketServer[];
  request: OfferRequest;
  context?: Partial<SelectContext>;
  message: string;
  seen: string;
  hint: string;
}

test.each<Case>([
  {
    name: "the cap removed the last ones",
    servers: [
      server(1, { prices: usd(1.5) }),
      server(2, { prices: usd(1.9) }),
      server(3, { gpus: ["RTX 3060"], prices: usd(1) }),
    ],
    request: { gpu: "RTX 4090", maxPricePerDay: 1.4 },
    message: 'no offer fits: none of the last 2 is "up to 1.4 USD/day"',
    seen: "3 free · 2 RTX 4090 · 0 up to 1.4 USD/day; nearest: server 1 (RTX 4090, US) at 1.50 USD/day is 0.10 USD above the cap",
    hint: "set maxPricePerDay to 1.50",
  },
  {
    name: "the nearest fails the fewest filters, not the cheapest",
    servers: [server(1, { downMbps: 20, prices: usd(9) }), server(2, { downMbps: 30, prices: usd(5) })],
    request: { minDownMbps: 50, maxPricePerDay: 6 },
    message: 'no offer fits: none of the last 2 is "with ≥ 50 Mbps"',
    seen: "2 free · 0 with ≥ 50 Mbps; nearest: server 2 (RTX 4090, US) at 5.00 USD/day has 30 Mbps",
    hint: "set minDownMbps to 30",
  },
  {
    name: "several changes are needed",
    servers: [server(1, { downMbps: 20, prices: usd(9) })],
    request: { minDownMbps: 50, maxPricePerDay: 6 },
    message: 'no offer fits: none of the last 1 is "with ≥ 50 Mbps"',
    seen: "1 free · 0 with ≥ 50 Mbps; nearest: server 1 (RTX 4090, US) at 9.00 USD/day has 20 Mbps and is 3.00 USD above the cap",
    hint: "set minDownMbps to 20 and set maxPricePerDay to 9.00",
  },
  {
    name: "the hinted cap does not round below the price",
    servers: [server(1, { prices: usd(1.501) })],
    request: { maxPricePerDay: 1 },
    message: 'no offer fits: none of the last 1 is "up to 1 USD/day"',
    seen: "1 free · 0 up to 1 USD/day; nearest: server 1 (RTX 4090, US) at 1.50 USD/day is 0.50 USD above the cap",
    hint: "set maxPricePerDay to 1.51",
  },
  {
    name: "only near-misses of the GPU",
    servers: [server(1, { gpus: ["RTX 4090 D"] })],
    request: { gpu: "RTX 4090" },
    message: 'no offer fits: none of the last 1 is "RTX 4090"',
    seen: "1 free · 0 RTX 4090; nearest: server 1 (RTX 4090 D, US) at 5.00 USD/day has RTX 4090 D",
    hint: 'set gpu to "RTX 4090 D"',
  },
  {
    name: "only near-misses of several classes",
    servers: [server(1, { gpus: ["RTX 4090 D"] }), server(2, { gpus: ["RTX 3090"], downMbps: 20 })],
    request: { gpu: ["RTX 4090", "RTX 3090", "RTX 3090 Ti"], minDownMbps: 50, minRamGb: 65 },
    message: 'no offer fits: none of the last 1 is "with ≥ 65 GB RAM"',
    seen: "2 free · 1 RTX 4090, RTX 3090 or RTX 3090 Ti · 0 with ≥ 65 GB RAM; nearest: server 2 (RTX 3090, US) at 5.00 USD/day has 64 GB RAM and has 20 Mbps",
    hint: "set minRamGb to 64 and set minDownMbps to 20",
  },
  {
    name: "a class that is none of many",
    servers: [server(1, { gpus: ["RTX 4090 D"] })],
    request: { gpu: ["RTX 4090", "RTX 3090", "RTX 3090 Ti", "RTX 5090"] },
    message: 'no offer fits: none of the last 1 is "with one of 4 GPU classes"',
    seen: "1 free · 0 with one of 4 GPU classes; nearest: server 1 (RTX 4090 D, US) at 5.00 USD/day has RTX 4090 D",
    hint: 'name "RTX 4090 D" in gpu',
  },
  {
    name: "another number of GPUs",
    servers: [server(1, { gpus: ["RTX 4090", "RTX 4090"] })],
    request: { gpu: "RTX 4090" },
    message: 'no offer fits: none of the last 1 is "RTX 4090"',
    seen: "1 free · 0 RTX 4090; nearest: server 1 (2x RTX 4090, US) at 5.00 USD/day has 2x RTX 4090",
    hint: "set gpuCount to 2",
  },
  {
    name: "empty wallets",
    servers: [server(1)],
    request: {},
    context: { wallets: [{ currency: "USD-Blockchain", balance: 0.2, depositAddress: undefined }] },
    message: 'no offer fits: none of the last 1 is "payable for 6 h from the wallets"',
    seen: "1 free · 0 payable for 6 h from the wallets; nearest: server 1 (RTX 4090, US) at 5.00 USD/day 6 h cost 1.413 USD-Blockchain, the wallet has 0.2",
    hint: "top up a wallet: 1.213 USD-Blockchain are missing",
  },
  {
    name: "everything is rented",
    servers: [server(1, { rented: true })],
    request: {},
    message: 'no offer fits: none of the last 1 is "free"',
    seen: "0 free",
    hint: "wait for a server to become free, or widen the request",
  },
  {
    name: "the market is empty",
    servers: [],
    request: {},
    message: "no offer fits: the marketplace lists no server",
    seen: "",
    hint: "an empty list is more likely a fault of the service than an empty market: try again",
  },
])("$name", ({ servers, request, context: extra, message, seen, hint }) => {
  const error = noOfferError(select(servers, request, { ...context, ...extra }));
  expect(error).toMatchObject({ code: "market.no-offer", message, seen, hint });
});
