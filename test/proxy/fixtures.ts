import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createApp, type ProxyParts } from "../../src/proxy/app.ts";
import { type ProxyConfig, readConfig } from "../../src/proxy/config.ts";
import { jsonLog } from "../../src/proxy/log.ts";

export const googleKey = "AIza-fixture-upstream-key";
export const proxyKey = "pk-fixture-first";
export const otherProxyKey = "pk-fixture-second";

export interface Seen {
  method: string;
  path: string;
  headers: IncomingMessage["headers"];
  // biome-ignore lint/suspicious/noExplicitAny: whatever was sent
  body: any;
}

export interface TestServer {
  url: string;
  port: number;
  requests: Seen[];
  close(): Promise<void>;
}

/** A real server on a free port of loopback that remembers what it was asked. */
export async function serveOn(
  answer: (seen: Seen, response: ServerResponse) => void | Promise<void>,
): Promise<TestServer> {
  const requests: Seen[] = [];
  const server: Server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const { method = "", url: path = "", headers } = request;
    const seen = { method, path, headers, body: text ? JSON.parse(text) : undefined };
    requests.push(seen);
    await answer(seen, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function sendJson(response: ServerResponse, status: number, body: unknown, headers = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}

/** An answer of generateContent in the shape that Google sends. */
export function geminiAnswer(text: string) {
  return {
    candidates: [{ content: { role: "model", parts: [{ text }] }, finishReason: "STOP", index: 0 }],
    usageMetadata: {
      promptTokenCount: 11,
      candidatesTokenCount: 5,
      thoughtsTokenCount: 2,
      totalTokenCount: 18,
    },
    modelVersion: "gemini-3.1-flash-lite",
  };
}

/** Google's words for a wrong key. */
export const wrongKeyAnswer = {
  error: {
    code: 400,
    message: "API key not valid. Please pass a valid API key.",
    status: "INVALID_ARGUMENT",
    details: [{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "API_KEY_INVALID" }],
  },
};

/** Answers as Gemini does: the model when asked for it, a text when given a prompt, 400 for any other key. */
export function serveGemini(): Promise<TestServer> {
  return serveOn((seen, response) => {
    if (seen.headers["x-goog-api-key"] !== googleKey) return sendJson(response, 400, wrongKeyAnswer);
    if (seen.method === "GET") return sendJson(response, 200, { name: "models/gemini-3.1-flash-lite" });
    sendJson(response, 200, geminiAnswer("Hello from the stand-in"));
  });
}

export function configFor(upstream: TestServer, env: Record<string, string> = {}): ProxyConfig {
  return readConfig({
    GOOGLE_API_KEY: googleKey,
    PROXY_API_KEYS: `${proxyKey}, ${otherProxyKey}`,
    UPSTREAM_BASE_URL: upstream.url,
    PORT: "0",
    HOST: "127.0.0.1",
    LOG_LEVEL: "debug",
    ...env,
  });
}

/** The app before a server, with its log lines and short ways to ask it. */
export function appFor(upstream: TestServer, env: Record<string, string> = {}, parts: ProxyParts = {}) {
  const lines: string[] = [];
  const log = jsonLog("debug", (line) => lines.push(line));
  const app = createApp(configFor(upstream, env), { log, ...parts });
  const authorization = `Bearer ${proxyKey}`;
  return {
    app,
    lines,
    logged: () => lines.map((line) => JSON.parse(line)),
    chat: (body: unknown, headers: Record<string, string> = {}) =>
      app.request("/chat", {
        method: "POST",
        headers: { authorization, "content-type": "application/json", ...headers },
        body: typeof body === "string" ? body : JSON.stringify(body),
      }),
    vision: (imageUrl: string, prompt = "What is it?") =>
      app.request(`/vision?${new URLSearchParams({ image_url: imageUrl, prompt })}`, {
        method: "POST",
        headers: { authorization },
      }),
  };
}
