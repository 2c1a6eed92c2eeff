import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Emulator } from "../../../src/emulator/server.ts";

export interface Arrival {
  /** Real time, in milliseconds. */
  at: number;
  path: string;
}

/** A proxy in front of an emulator: counts what arrives, and stops a call before or after it was carried out. */
export interface Tap extends AsyncDisposable {
  apiUrl: string;
  arrivals: readonly Arrival[];
  /** Resolves when every call that has arrived was carried out, or dropped. */
  settled(): Promise<void>;
}

export interface TapHooks {
  /** Awaited before a call is passed on, and before its answer is. */
  reach(path: string, phase: "before" | "after"): Promise<void>;
  /** A call was carried out, whether or not there is an answer. */
  carried(path: string): void;
}

export async function startTap(emulator: Emulator, { reach, carried }: TapHooks): Promise<Tap> {
  const arrivals: Arrival[] = [];
  const carry = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = (request.url ?? "").replace(/^\/v1\//, "").replace(/\?.*/, "");
    const pieces: Buffer[] = [];
    for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece);
    arrivals.push({ at: Date.now(), path });
    await reach(path, "before");
    if (request.socket.destroyed) return;
    const { auth, "content-type": type } = request.headers;
    const answer = await fetch(emulator.apiUrl + (request.url ?? "").replace(/^\/v1/, ""), {
      method: request.method,
      headers: { ...(auth ? { auth: String(auth) } : {}), ...(type ? { "content-type": type } : {}) },
      body: pieces.length > 0 ? Buffer.concat(pieces) : undefined,
    }).finally(() => carried(path));
    const body = Buffer.from(await answer.arrayBuffer());
    await reach(path, "after");
    response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "" });
    response.end(body);
  };
  const underWay = new Set<Promise<void>>();
  const server = createServer((request, response) => {
    const carried = carry(request, response)
      .catch(() => void request.socket.destroy()) // the emulator cut it, or the plugin has gone
      .finally(() => underWay.delete(carried));
    underWay.add(carried);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    apiUrl: `http://127.0.0.1:${port}/v1`,
    arrivals,
    async settled() {
      while (underWay.size > 0) await Promise.all(underWay);
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
