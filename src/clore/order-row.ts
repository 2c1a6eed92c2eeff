import { z } from "zod";
import type { Order } from "./types.ts";
import {
  amount,
  anything,
  asNumber,
  asText,
  flag,
  gpuNames,
  id,
  number,
  rentalHours,
  text,
} from "./values.ts";

/**
 * A row of `my_orders`. Strict about which order it is, where, since when and what it costs: an order that cannot be
 * read must never look like an order that is gone. Tolerant of all else: rows lack fields from one day to the next.
 */
export const orderSchema = z
  .object({
    id,
    si: id,
    ct: amount,
    // `p` is an older name of the price.
    price: amount.optional(),
    p: amount.optional().catch(undefined),
    currency: z.string().min(1),
    creation_fee: amount.nullish(),
    spend: amount.nullish(),
    image: text,
    spot: anything,
    expired: flag,
    online: flag,
    mon_container: anything,
    pub_cluster: anything,
    tcp_ports: anything,
    http_port: number,
    http_pub: text,
    gpu_array: gpuNames,
    mrl: number,
  })
  .transform((row, context): Order => {
    const pricePerDay = row.price ?? row.p;
    if (pricePerDay === undefined) context.issues.push(missing("price", row));
    return {
      orderId: row.id,
      serverId: row.si,
      image: row.image,
      market: row.spot ? "spot" : "on-demand",
      currency: row.currency,
      pricePerDay: pricePerDay ?? 0,
      creationFee: row.creation_fee ?? 0,
      spent: row.spend ?? 0,
      createdAt: new Date(epochMs(row.ct)),
      expired: row.expired,
      online: row.online,
      containerUp: row.mon_container === true || (asNumber(row.mon_container) ?? 0) >= 1,
      addresses: addresses(row.pub_cluster),
      tcpPorts: tcpPorts(row.tcp_ports),
      httpPort: row.http_port !== undefined && isPort(row.http_port) ? row.http_port : undefined,
      httpUrl: httpUrl(row.http_pub),
      gpus: row.gpu_array,
      maxRentalSeconds: row.mrl === undefined || row.mrl <= 0 ? undefined : rentalHours(row.mrl) * 3600,
    };
  });

function missing(field: string, input: unknown) {
  return { code: "custom" as const, path: [field], message: "missing", input };
}

/** `ct` is in seconds; a figure of that size in milliseconds would lie in the far future. */
function epochMs(ct: number): number {
  return Math.min(ct > 1e11 ? ct : ct * 1000, 8.64e15);
}

/** Host names or addresses. They end up in connections and on terminals, so nothing else is let through. */
function addresses(value: unknown): string[] {
  const list = Array.isArray(value) ? value : [value];
  return list.flatMap((entry) => {
    const address = asText(entry);
    return address !== undefined && /^[\w.:[\]-]{1,255}$/.test(address) ? [address] : [];
  });
}

/** "22:1972" is container:public. */
function tcpPorts(value: unknown): Record<number, number> {
  const ports: Record<number, number> = {};
  for (const entry of Array.isArray(value) ? value : []) {
    const [, container, published] = /^\s*(\d{1,5}):(\d{1,5})\s*$/.exec(asText(entry) ?? "") ?? [];
    if (isPort(Number(container)) && isPort(Number(published))) ports[Number(container)] = Number(published);
  }
  return ports;
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65535;
}

/** A bare name means https; with a scheme (something else that speaks this API) it is used as it stands. */
function httpUrl(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const address = /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `https://${value}`;
  if (!URL.canParse(address) || /\s/.test(address)) return undefined;
  const { protocol, hostname } = new URL(address);
  if ((protocol !== "https:" && protocol !== "http:") || hostname === "") return undefined;
  return address.replace(/\/+$/, "");
}
