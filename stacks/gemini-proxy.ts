import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import type { InputProblem } from "../src/core/errors.ts";
import { GeminiProxy } from "../src/index.ts";
import { readConfig } from "./config.ts";
import { rentOrHost, serverConfig, serverOutputs, serverRules } from "./server.ts";

export const schema = z.object({
  ...serverConfig,
  maxPricePerDay: serverConfig.maxPricePerDay.default(1.5),
  upstream: z.enum(["google", "cometapi"], { error: "should be google or cometapi" }).default("google"),
  /** A secret; read as such below. */
  upstreamKey: z.unknown().optional(),
  upstreamUrl: z.url({ error: "should be an http(s) address" }).optional(),
  model: z.string().optional(),
  port: z.int().min(1).max(65535).default(8080),
  mode: z.enum(["auto", "native", "docker"], { error: "should be auto, native or docker" }).default("auto"),
  baseImage: z.string().optional(),
  imageHostsAllowed: z.array(z.string(), { error: 'should be a JSON list: ["10.0.0.5:9000"]' }).optional(),
  publicUrl: z.url({ error: "should be an http(s) address" }).optional(),
});

/** The Gemini proxy: an API-only model behind `/chat` and `/vision` on the cheapest server that will do. */
export default function geminiProxy() {
  const config = readConfig(schema, (raw) => [...serverRules(raw), ...upstreamRules(raw)]);
  const proxy = new GeminiProxy("gemini", {
    upstream: config.upstream,
    upstreamKey: upstreamKey(config.upstream),
    upstreamUrl: config.upstreamUrl,
    model: config.model,
    port: config.port,
    mode: config.mode,
    baseImage: config.baseImage,
    imageHostsAllowed: config.imageHostsAllowed,
    publicUrl: config.publicUrl,
    ...rentOrHost(config, {}),
  });
  return {
    url: proxy.url,
    apiKey: proxy.apiKey,
    firstAnswer: proxy.firstAnswer,
    ...serverOutputs(proxy),
  };
}

/** The environment's, where the stack has no secret of its own. */
const variables = { google: "GOOGLE_API_KEY", cometapi: "COMETAPI_KEY" } as const;
type Upstream = keyof typeof variables;

function upstreamRules({
  upstream = "google",
  upstreamKey,
}: Readonly<Record<string, unknown>>): InputProblem[] {
  const variable = variables[upstream as Upstream];
  if (variable === undefined || upstreamKey !== undefined || process.env[variable]) return [];
  const problem = `no key for ${upstream}: set the environment variable ${variable}, or run pulumi config set --secret upstreamKey <key>`;
  return [{ path: "upstreamKey", problem }];
}

/** The stack's secret, or for a quick try the environment's. */
function upstreamKey(upstream: Upstream): pulumi.Output<string> {
  return new pulumi.Config().getSecret("upstreamKey") ?? pulumi.secret(process.env[variables[upstream]]!);
}
