import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { OllamaServer } from "../src/index.ts";
import { readConfig } from "./config.ts";
import { duration, rentOrHost, serverConfig, serverOutputs, serverRules } from "./server.ts";

export const schema = z.object({
  ...serverConfig,
  /** Several tags as a JSON list share the server. */
  model: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)], {
    error: 'should be a tag such as gemma3:4b, or a JSON list: ["gemma3:4b","qwen2.5:7b"]',
  }),
  gpu: z.string().optional(),
  gpuCount: z.int().min(1).optional(),
  /** GB per GPU; the models' own need is a floor. */
  minVramGb: z.number().positive().optional(),
  market: z.enum(["on-demand", "spot"], { error: "should be on-demand or spot" }).default("on-demand"),
  mode: z
    .enum(["auto", "native", "docker", "image"], { error: "should be auto, native, docker or image" })
    .default("auto"),
  ollamaPort: z.int().min(1).max(65535).optional(),
  /** false: no public door, only the tunnel. */
  publicPort: z
    .union([z.int().min(1).max(65535), z.literal(false)], {
      error: "should be a port from 1 to 65535, or false",
    })
    .default(8080),
  contextLength: z.int().min(256).optional(),
  parallel: z.int().min(1).optional(),
  registry: z.url({ error: "should be an http(s) address" }).optional(),
  minVramShare: z.number().min(0).max(1).optional(),
  minTokensPerSecond: z.number().min(0).optional(),
  maxTimeToReady: duration().optional(),
  onSlow: z.enum(["fail", "replace"], { error: "should be fail or replace" }).optional(),
  publicUrl: z.url({ error: "should be an http(s) address" }).optional(),
});

/** A stack of this kind: models in an Ollama on the right GPU. All that differs is the configuration. */
export function ollamaStack() {
  const config = readConfig(schema, serverRules);
  const { model, gpu, gpuCount, mode, publicPort, contextLength, parallel, registry } = config;
  const { minVramShare, minTokensPerSecond, maxTimeToReady, onSlow, publicUrl } = config;
  const ollama = new OllamaServer(pulumi.getStack(), {
    ...{ model, gpu, gpuCount, mode, publicPort, contextLength, parallel, registry },
    ...{ minVramShare, minTokensPerSecond, maxTimeToReady, onSlow, publicUrl },
    port: config.ollamaPort,
    ...rentOrHost(config, { market: config.market, minVramGb: config.minVramGb }),
  });
  return {
    url: ollama.url,
    apiKey: ollama.apiKey,
    models: ollama.models.map((one) => one.model),
    tokensPerSecond: ollama.tokensPerSecond,
    vramShare: ollama.models.map((one) => one.vramShare),
    firstAnswer: ollama.firstAnswer,
    tunnel: ollama.tunnel,
    ...serverOutputs(ollama),
  };
}
