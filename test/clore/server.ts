import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface SeenRequest {
  method: string;
  url: string;
  headers: IncomingMessage["headers"];
  body: string;
}

/** What the server does with one request: a canned answer, or anything else that can be done to a connection. */
export type Reply =
  | { status?: number; body: unknown; headers?: Record<string, string> }
  | ((response: ServerResponse, request: SeenRequest) => void);

export interface ScriptedServer {
  url: string;
  seen: SeenRequest[];
  close(): Promise<void>;
}

/** A real HTTP server on a free port that gives the replies in turn, and the last one again and again. */
export async function scriptedServer(...replies: Reply[]): Promise<ScriptedServer> {
  const seen: SeenRequest[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const reply = replies[Math.min(seen.length, replies.length - 1)]!;
      const body = Buffer.concat(chunks).toString();
      const entry = { method: request.method!, url: request.url!, headers: request.headers, body };
      seen.push(entry);
      if (typeof reply === "function") return reply(response, entry);
      response.writeHead(reply.status ?? 200, reply.headers);
      response.end(typeof reply.body === "string" ? reply.body : JSON.stringify(reply.body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    seen,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
