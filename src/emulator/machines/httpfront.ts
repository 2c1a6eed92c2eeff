import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import type { Address } from "./types.ts";

/**
 * The order's public HTTP address: a reverse proxy on a free port of 127.0.0.1.
 * Until the app listens it answers 502 with JSON, as Cloudflare does in front of real rentals.
 */
export class HttpFront {
  port = 0;
  readonly #target: () => Address | undefined;
  #server: Server | undefined;

  constructor(target: () => Address | undefined) {
    this.#target = target;
  }

  async open(): Promise<void> {
    const server = createServer((from, to) => this.#carry(from, to));
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", resolve);
    });
    this.port = (server.address() as { port: number }).port;
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  #carry(from: IncomingMessage, to: ServerResponse): void {
    const target = this.#target();
    if (!target) {
      badGateway(to);
      return;
    }
    const headers = {
      ...from.headers,
      "x-forwarded-proto": "https",
      "x-forwarded-for": from.socket.remoteAddress,
    };
    const onward = request(
      { ...target, method: from.method, path: from.url, headers, agent: false },
      (answer) => {
        to.writeHead(answer.statusCode ?? 502, answer.statusMessage, answer.headers);
        to.flushHeaders();
        answer.pipe(to);
        answer.on("error", () => to.destroy());
      },
    );
    onward.on("error", () => (to.headersSent ? to.destroy() : badGateway(to)));
    to.on("close", () => onward.destroy());
    from.pipe(onward);
  }
}

function badGateway(to: ServerResponse): void {
  to.writeHead(502, { "content-type": "application/json" });
  to.end(
    JSON.stringify({
      status: 502,
      error: "Bad gateway",
      error_name: "origin_bad_gateway",
      cloudflare_error: true,
    }),
  );
}
