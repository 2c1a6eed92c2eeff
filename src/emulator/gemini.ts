import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { gradientPng, pngSize } from "./png.ts";

export interface GeminiOptions {
  /** Addresses to listen on, all with one port: loopback, and the bridge's gateway where containers must reach it. @default ["127.0.0.1"] */
  host?: readonly string[];
  /** 0 takes a free one. @default 0 */
  port?: number;
  /** @default random */
  apiKey?: string;
  /** Pause between pieces of a streamed answer, in milliseconds. @default 20 */
  pieceMs?: number;
}

export interface Gemini extends AsyncDisposable {
  /** Without version: `http://127.0.0.1:<port>`. The same port answers on every host asked for. */
  url: string;
  port: number;
  apiKey: string;
  close(): Promise<void>;
}

/** The models that are known here. Source: the guide's names at Google and CometAPI. */
const models = [
  "gemini-3.1-flash-lite",
  "gemini-3.1-flash-lite-preview",
  "gemini-3.1-flash-lite-thinking",
  "gemini-3.1-flash-lite-preview-thinking",
  "gemini-3-1-flash",
  "gemini-3-1-flash-preview",
] as const;

/**
 * A local stand-in of the Gemini API that says so in its answers: text and inline images, streamed or not, with
 * Google-shaped errors. It understands nothing; it describes what it was sent.
 */
export async function startGemini(options: GeminiOptions = {}): Promise<Gemini> {
  const apiKey = options.apiKey ?? randomBytes(24).toString("base64url");
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    serve(request, response, apiKey, options.pieceMs ?? 20).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else fail(response, 500, "INTERNAL", String(error));
    });
  };
  const servers: Server[] = [];
  let port = options.port ?? 0;
  const close = async (): Promise<void> => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    }
  };
  try {
    for (const host of options.host ?? ["127.0.0.1"]) {
      const server = createServer(answer);
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(port, host, resolve);
      });
      servers.push(server);
      port = (server.address() as AddressInfo).port;
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { url: `http://127.0.0.1:${port}`, port, apiKey, close, [Symbol.asyncDispose]: close };
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  apiKey: string,
  pieceMs: number,
): Promise<void> {
  const url = new URL(request.url ?? "/", "http://local");
  if (request.method === "GET" && url.pathname === "/image.png") {
    response.writeHead(200, { "content-type": "image/png" });
    response.end(gradientPng(64, 48));
    return;
  }
  const path = /^\/v1(?:beta)?\/models(?:\/([^/:]+)(?::(\w+))?)?$/.exec(url.pathname);
  if (!path) return fail(response, 404, "NOT_FOUND", "Not Found");
  const key = request.headers["x-goog-api-key"] ?? url.searchParams.get("key");
  if (!key)
    return fail(
      response,
      403,
      "PERMISSION_DENIED",
      "Method doesn't allow unregistered callers. Please use API Key.",
    );
  if (key !== apiKey) {
    return fail(response, 400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", [
      {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        reason: "API_KEY_INVALID",
        domain: "googleapis.com",
      },
    ]);
  }
  const [, model, method] = path;
  if (model === undefined) return json(response, 200, { models: models.map(describe) });
  if (!(models as readonly string[]).includes(model)) {
    return fail(
      response,
      404,
      "NOT_FOUND",
      `models/${model} is not found for API version v1beta, or is not supported for ${method ?? "get"}.`,
    );
  }
  if (method === undefined) return json(response, 200, describe(model));
  if (request.method !== "POST") return fail(response, 404, "NOT_FOUND", "Not Found");

  const asked = parse(await read(request));
  const parts = asked && allParts(asked.contents);
  if (!asked || !parts || parts.length === 0)
    return fail(response, 400, "INVALID_ARGUMENT", "contents is not specified");
  const promptTokenCount = parts.reduce((sum, part) => sum + tokens(part), tokens(asked.systemInstruction));
  if (method === "countTokens") return json(response, 200, { totalTokens: promptTokenCount });
  const text = cutTo(asked.generationConfig?.maxOutputTokens, wording(model, parts));
  const usage = (said: string) => {
    const candidatesTokenCount = tokens({ text: said });
    return {
      promptTokenCount,
      candidatesTokenCount,
      totalTokenCount: promptTokenCount + candidatesTokenCount,
    };
  };
  if (method === "generateContent") return json(response, 200, candidate(model, text, usage(text), true));
  if (method !== "streamGenerateContent") return fail(response, 404, "NOT_FOUND", `no method ${method}`);

  const pieces = text.match(/.{1,24}/gs) ?? [""];
  response.writeHead(200, { "content-type": "text/event-stream" });
  let said = "";
  for (const [i, piece] of pieces.entries()) {
    if (response.destroyed) return;
    said += piece;
    response.write(
      `data: ${JSON.stringify(candidate(model, piece, usage(said), i === pieces.length - 1))}\r\n\r\n`,
    );
    await delay(pieceMs);
  }
  response.end();
}

interface Part {
  text?: string;
  inlineData?: { mimeType?: string; data?: string };
  inline_data?: { mime_type?: string; data?: string };
}

interface Asked {
  contents?: unknown;
  systemInstruction?: Part;
  generationConfig?: { maxOutputTokens?: number };
}

function allParts(contents: unknown): Part[] | undefined {
  if (!Array.isArray(contents)) return undefined;
  return contents.flatMap((content: { parts?: Part[] }) => content.parts ?? []);
}

/** What is answered: where it comes from, what was said, and what is really in the images. */
function wording(model: string, parts: readonly Part[]): string {
  const said = parts.flatMap((part) => (part.text === undefined ? [] : [part.text])).join(" ");
  const images = parts.flatMap((part) => {
    const mime = part.inlineData?.mimeType ?? part.inline_data?.mime_type;
    const data = part.inlineData?.data ?? part.inline_data?.data;
    if (data === undefined) return [];
    const bytes = Buffer.from(data, "base64");
    const size = pngSize(bytes);
    return [
      `an image (${mime}, ${bytes.length} bytes${size ? `, ${size.width}×${size.height} pixels` : ""})`,
    ];
  });
  const seen = images.length > 0 ? ` You sent ${images.join(" and ")}.` : "";
  return `[local stand-in for ${model}] You said: ${said}${seen}`;
}

function candidate(model: string, text: string, usageMetadata: object, last: boolean): object {
  return {
    candidates: [
      { content: { role: "model", parts: [{ text }] }, index: 0, ...(last ? { finishReason: "STOP" } : {}) },
    ],
    usageMetadata,
    modelVersion: model,
    responseId: randomBytes(9).toString("base64url"),
  };
}

function describe(model: string): object {
  return {
    name: `models/${model}`,
    displayName: `${model} (local stand-in)`,
    inputTokenLimit: 1_048_576,
    outputTokenLimit: 65_536,
    supportedGenerationMethods: ["generateContent", "streamGenerateContent", "countTokens"],
  };
}

/** About four characters a token; an image costs 258, as Google counts small ones. */
function tokens(part: Part | undefined): number {
  if (part?.inlineData || part?.inline_data) return 258;
  return Math.ceil((part?.text ?? "").length / 4);
}

function cutTo(maxTokens: number | undefined, text: string): string {
  return maxTokens === undefined ? text : text.slice(0, Math.max(0, maxTokens) * 4);
}

function fail(
  response: ServerResponse,
  code: number,
  status: string,
  message: string,
  details?: object[],
): void {
  json(response, code, { error: { code, message, status, ...(details ? { details } : {}) } });
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json; charset=UTF-8" });
  response.end(JSON.stringify(body));
}

function parse(text: string): Asked | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Asked) : undefined;
  } catch {
    return undefined;
  }
}

async function read(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}
