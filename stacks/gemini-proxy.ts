import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { GeminiProxy } from "../src/index.ts";
import { readConfig } from "./config.ts";
import { existingHost, existingServer } from "./existing-server.ts";

const schema = z.object({
  upstream: z.enum(["google", "cometapi"], { error: "should be google or cometapi" }).default("google"),
  upstreamUrl: z.url({ error: "should be an http(s) address" }).optional(),
  model: z.string().optional(),
  port: z.int().min(1).max(65535).default(8080),
  maxPricePerDay: z
    .number({ error: "should be a number: USD per day" })
    .positive({ error: "should be more than 0: USD per day" })
    .default(1.5),
  countries: z.array(z.string(), { error: 'should be a JSON list: ["DE","NL"]' }).optional(),
  minDownMbps: z.number().positive().optional(),
  lease: z.string().optional(),
  image: z.string().optional(),
  mode: z.enum(["auto", "native", "docker"], { error: "should be auto, native or docker" }).default("auto"),
  baseImage: z.string().optional(),
  imageHostsAllowed: z.array(z.string()).optional(),
  bootMinutes: z.number().positive().optional(),
  acquireMinutes: z.number().positive().optional(),
  ...existingHost,
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
    ...(config.host === undefined
      ? {
          rent: {
            maxPricePerDay: config.maxPricePerDay,
            countries: config.countries,
            minDownMbps: config.minDownMbps,
            lease: config.lease,
            image: config.image,
            bootMinutes: config.bootMinutes,
            acquireMinutes: config.acquireMinutes,
          },
        }
      : { server: existingServer(config.host, config.hostPrivateKeyFile) }),
  });
  return {
    url: proxy.url,
    apiKey: proxy.apiKey,
    firstAnswer: proxy.firstAnswer,
    orderId: proxy.server.orderId,
    serverId: proxy.server.serverId,
    pricePerDay: proxy.server.pricePerDayUsd,
    sshPrivateKey: proxy.sshKey?.privateKey,
    ssh: proxy.server.sshCommand(),
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
