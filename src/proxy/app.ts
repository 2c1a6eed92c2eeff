import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { createMiddleware } from "hono/factory";
import { type Clock, systemClock } from "../core/clock.ts";
import { requireKey } from "./auth.ts";
import type { ProxyConfig } from "./config.ts";
import { clientGone, ProxyError } from "./errors.ts";
import { fetchImage, type ImageRules } from "./image.ts";
import { chatInput, visionInput } from "./input.ts";
import { jsonLog, type LogLevel, type WriteLog } from "./log.ts";
import { readiness } from "./readiness.ts";
import { type Answer, geminiUpstream, type Upstream } from "./upstream.ts";
import { proxyVersion } from "./version.ts";

/** An image that is not there after this time is given up, in milliseconds. */
const imageTimeoutMs = 15_000;

/** What the proxy works with; each part can be replaced in a test. */
export interface ProxyParts {
  upstream?: Upstream;
  clock?: Clock;
  log?: WriteLog;
  resolve?: ImageRules["resolve"];
}

/** What a handler leaves for the access log. */
type Env = { Variables: { answer?: Answer; errorCode?: string } };

/**
 * The proxy's routes: `POST /chat`, `POST /vision`, `GET /healthz`, `GET /readyz`.
 * @example createApp(readConfig(process.env)).request("/healthz")
 */
export function createApp(config: ProxyConfig, parts: ProxyParts = {}): Hono<Env> {
  const upstream = parts.upstream ?? geminiUpstream(config);
  const clock = parts.clock ?? systemClock;
  const log = parts.log ?? jsonLog(config.logLevel, (line) => process.stdout.write(line));
  const notReady = readiness(() => upstream.check(), config.upstreamKeyName, clock);
  const imageRules: ImageRules = {
    maxBytes: config.maxImageBytes,
    timeoutMs: Math.min(imageTimeoutMs, config.upstreamTimeoutMs),
    hostsAllowed: config.imageHostsAllowed,
    resolve: parts.resolve,
  };
  const app = new Hono<Env>();

  app.onError((error, context) => {
    const known = asProxyError(error, context.req.raw.signal);
    if (known.status === 500) log("error", "bug", { path: context.req.path, stack: error.stack });
    context.set("errorCode", known.code);
    return known.toResponse();
  });
  app.use(accessLog(log, clock));

  app.get("/healthz", (context) => context.json({ status: "ok", version: proxyVersion }));
  app.get("/readyz", async (context) => {
    const failure = await notReady();
    if (failure) throw failure;
    return context.json({ status: "ready", upstream: config.upstream, model: config.model });
  });

  app.use(requireKey(config.proxyKeys));
  app.use(
    bodyLimit({
      maxSize: config.maxBodyBytes,
      onError: () => {
        const message = `the body is larger than ${config.maxBodyBytes} bytes`;
        throw new ProxyError("input.too-large", { status: 413, message });
      },
    }),
  );
  app.post("/chat", async (context) => {
    const input = await chatInput(context.req);
    const question = {
      parts: [{ text: input.message }],
      systemPrompt: input.system_prompt,
      temperature: 0.7,
      maxTokens: input.max_tokens,
    };
    const answer = await upstream.ask(question, context.req.raw.signal);
    context.set("answer", answer);
    return context.json({ response: answer.text, model: config.model });
  });
  app.post("/vision", async (context) => {
    const input = visionInput(context.req);
    const { signal } = context.req.raw;
    const image = await fetchImage(input.image_url, imageRules, signal);
    const inlineData = { mimeType: image.mimeType, data: image.bytes.toString("base64") };
    const answer = await upstream.ask({ parts: [{ inlineData }, { text: input.prompt }] }, signal);
    context.set("answer", answer);
    return context.json({ response: answer.text });
  });
  app.notFound(() => {
    const message = "there is only POST /chat, POST /vision, GET /healthz and GET /readyz";
    throw new ProxyError("input.path", { status: 404, message });
  });
  return app;
}

/** One line a request: no query (it holds the prompt), no headers, no contents. */
function accessLog(log: WriteLog, clock: Clock) {
  return createMiddleware<Env>(async (context, next) => {
    const start = clock.now();
    await next();
    const { method, path } = context.req;
    const { status } = context.res;
    const answer = context.get("answer");
    const probe = path === "/healthz" || path === "/readyz";
    log(levelOf(status, probe), "request", {
      method,
      path: path.slice(0, 200),
      status,
      ms: clock.now() - start,
      tokensIn: answer?.tokensIn,
      tokensOut: answer?.tokensOut,
      error: context.get("errorCode"),
    });
  });
}

function levelOf(status: number, probe: boolean): LogLevel {
  if (status >= 500) return "error";
  if (status >= 400) return "warn";
  return probe ? "debug" : "info";
}

function asProxyError(error: unknown, client: AbortSignal): ProxyError {
  if (error instanceof ProxyError) return error;
  if (client.aborted) return clientGone();
  return new ProxyError("proxy.bug", {
    status: 500,
    message: "the proxy failed; its log says more",
    cause: error,
  });
}
