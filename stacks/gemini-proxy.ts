import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { GeminiProxy } from "../src/index.ts";
import { readConfig } from "./config.ts";
import { rentOrHost, serverConfig, serverOutputs } from "./server.ts";

export const schema = z.object({
  ...serverConfig,
  maxPricePerDay: serverConfig.maxPricePerDay.default(1.5),
  upstream: z.enum(["google", "cometapi"], { error: "should be google or cometapi" }).default("google"),
  upstreamUrl: z.url({ error: "should be an http(s) address" }).optional(),
  model: z.string().optional(),
  port: z.int().min(1).max(65535).default(8080),
  mode: z.enum(["auto", "native", "docker"], { error: "should be auto, native or docker" }).default("auto"),
  baseImage: z.string().optional(),
  imageHostsAllowed: z.array(z.string()).optional(),
  publicUrl: z.url().optional(),
});

/** The Gemini proxy: an API-only model behind `/chat` and `/vision` on the cheapest server that will do. */
export default function geminiProxy() {
  const config = readConfig(schema);
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

/** From the environment for a quick try, from the stack's secrets otherwise. */
function upstreamKey(upstream: "google" | "cometapi"): pulumi.Output<string> {
  const variable = upstream === "google" ? "GOOGLE_API_KEY" : "COMETAPI_KEY";
  const fromConfig = new pulumi.Config().getSecret("upstreamKey");
  const fromEnv = process.env[variable];
  if (fromConfig) return fromConfig;
  if (fromEnv) return pulumi.secret(fromEnv);
  throw new pulumi.RunError(
    `no key for ${upstream} (nothing was rented): set the environment variable ${variable}, or run\n` +
      "  pulumi config set --secret upstreamKey <key>",
  );
}
