import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { CloreError } from "../core/errors.ts";
import { createApp, type ProxyParts } from "./app.ts";
import type { ProxyConfig } from "./config.ts";

/** A client that sends its request slower than this is cut off, in milliseconds. */
const requestTimeoutMs = 30_000;

export interface RunningProxy {
  /** The port it listens on, also where 0 was asked for. */
  port: number;
  /** Takes no new requests, lets running ones end for at most `graceMs`, then cuts what is left. */
  stop(graceMs: number): Promise<void>;
}

/**
 * Starts to listen.
 * @throws CloreError `proxy.listen` when the port is taken or the address is not this machine's
 * @example const proxy = await startProxy(readConfig(process.env)); await proxy.stop(10_000);
 */
export async function startProxy(config: ProxyConfig, parts?: ProxyParts): Promise<RunningProxy> {
  const app = createApp(config, parts);
  const listener = getRequestListener(app.fetch);
  const server = createServer({ requestTimeout: requestTimeoutMs }, (request, response) => {
    void listener(request, response);
  });
  await listen(server, config);
  return {
    port: (server.address() as AddressInfo).port,
    stop: (graceMs) => stop(server, graceMs),
  };
}

function listen(server: Server, { host, port }: ProxyConfig): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const what = cause.code === "EADDRINUSE" ? "is taken" : "cannot be listened on";
      const hint = "set PORT to a free port, HOST to an address of this machine";
      reject(
        new CloreError("proxy.listen", { message: `${host}:${port} ${what}`, seen: cause.code, hint, cause }),
      );
    });
    server.listen(port, host, resolve);
  });
}

async function stop(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // A kept connection whose last answer went out after close() is idle, and would be waited for.
  const idle = setInterval(() => server.closeIdleConnections(), 50);
  const cut = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearInterval(idle);
  clearTimeout(cut);
}
