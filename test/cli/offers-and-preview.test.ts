import * as pulumi from "@pulumi/pulumi";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readQuestion, showOffers } from "../../src/cli/offers.ts";
import { OllamaServer, type OllamaServerArgs } from "../../src/components/ollama-server.ts";
import { VllmServer } from "../../src/components/vllm-server.ts";
import { checkInputs } from "../../src/provider/check.ts";
import type { PluginContext } from "../../src/provider/context.ts";
import { server } from "../../src/provider/server.ts";
import type { ServerInputs } from "../../src/provider/server-inputs.ts";
import { offerRequestOf } from "../../src/provider/server-request.ts";
import { callOf, type Ground, ground, key, urnOf } from "../rental/plugin.ts";

let clore: Ground;
let plugin: PluginContext;
/** Inputs of the Servers that components registered, by name. */
const registered = new Map<string, Record<string, unknown>>();

beforeAll(async () => {
  clore = await ground({ machines: "none", market: [], marketSize: 2100 });
  plugin = clore.plugin();
  await pulumi.runtime.setMocks({
    call: () => expect.unreachable("nothing is to be called"),
    newResource({ type, name, inputs }) {
      if (type === "clore:index:Server") registered.set(name, inputs);
      return { id: name, state: inputs };
    },
  });
});
afterAll(() => clore[Symbol.asyncDispose]());

/** What `pulumi preview` says that it would rent, and what it asked for. */
async function preview(name: string) {
  await expect.poll(() => registered.get(name), { timeout: 5000 }).toBeDefined();
  // The engine unwraps secrets; the mocks do not.
  const given = { ...registered.get(name)!, sshKey: { privateKey: key.privateKey } };
  const { inputs, problems } = checkInputs(server as never, given, plugin);
  expect(problems).toEqual([]);
  const said: string[] = [];
  const call = callOf(plugin, urnOf("Server", name), said);
  const status = (text: string) => void said.push(text);
  await server.preview!(inputs as ServerInputs, { ...call, log: { ...call.log, status } });
  const serverId = Number(/would rent #(\d+)/.exec(said.join("\n"))?.[1]);
  expect(serverId).toBeGreaterThan(0);
  // One is what is meant where nothing is said.
  const { gpuCount = 1, ...request } = offerRequestOf(inputs);
  expect(gpuCount).toBe(1);
  return { serverId, request: JSON.parse(JSON.stringify(request)) };
}

/** What `clore offers` would take, and what it asked for. */
async function offers(line: readonly string[]) {
  const lines: string[] = [];
  const io = { out: (text: string) => lines.push(text), signal: new AbortController().signal };
  const source = { api: plugin.clore, hasKey: true, memory: plugin.hosts.read() };
  await showOffers(readQuestion([...line, "--json", "--limit", "1"]), io, source);
  const { offers: shown, request } = JSON.parse(lines.join("\n"));
  return { serverId: shown[0].serverId as number, gpu: shown[0].gpus[0] as string, request };
}

interface Case {
  name: string;
  args: OllamaServerArgs;
  line: string[];
}

test.each<Case>([
  {
    name: "a model",
    args: { model: "gemma3:4b", rent: { lease: "8h" } },
    line: ["--model", "gemma3:4b", "--for", "8h"],
  },
  {
    name: "a larger model, with a cap",
    args: { model: "gemma3:12b", rent: { lease: "8h", maxPricePerDay: 8 } },
    line: ["--model", "gemma3:12b", "--for", "8h", "--max-price", "8"],
  },
  {
    name: "a class and its larger size",
    args: { model: "gemma3:4b", gpu: "RTX 3060", rent: { lease: "8h", maxPricePerDay: 4, minVramGb: 12 } },
    line: [
      "--model",
      "gemma3:4b",
      "--gpu",
      "RTX 3060",
      "--for",
      "8h",
      "--max-price",
      "4",
      "--min-vram",
      "12",
    ],
  },
  {
    name: "a mining card, since it is named",
    args: { model: "gemma3:4b", gpu: "CMP 50HX", rent: { lease: "8h" } },
    line: ["--model", "gemma3:4b", "--gpu", "CMP 50HX", "--for", "8h"],
  },
  {
    name: "spot, for long, in some countries",
    args: {
      model: "gemma3:27b",
      rent: { lease: "3d", market: "spot", countries: ["US", "DE"], minDownMbps: 100 },
    },
    line: "--model gemma3:27b --for 3d --market spot --country US,DE --min-down 100".split(" "),
  },
  {
    name: "unreliable hosts too",
    args: { model: "qwen2.5:7b", rent: { lease: "none", minReliability: 0 } },
    line: ["--model", "qwen2.5:7b", "--min-reliability", "0"],
  },
])("offers and preview name the same server: $name", async ({ name, args, line }) => {
  new OllamaServer(name, args);
  expect(await offers(line)).toMatchObject(await preview(`${name}-server`));
});

test("offers and preview name the same server: a model in vLLM", async () => {
  new VllmServer("vllm", { model: "Qwen/Qwen2.5-7B-Instruct", rent: { lease: "8h" } });
  const line = ["--model", "Qwen/Qwen2.5-7B-Instruct", "--for", "8h"];
  expect(await offers(line)).toMatchObject(await preview("vllm-server"));
});

test("without a model and without a class too, as a plain Server is asked for", async () => {
  registered.set("plain", { lease: "8h" });
  expect(await offers(["--for", "8h"])).toMatchObject(await preview("plain"));
});

test("no class is taken that is dearer to finish on than another that holds the model", async () => {
  const open = await offers(["--model", "gemma3:12b", "--for", "8h"]);
  for (const gpu of ["RTX 3060", "RTX 3090", "RTX 4090"]) {
    const one = await offers(["--model", "gemma3:12b", "--for", "8h", "--gpu", gpu]);
    expect(one.gpu).toBe(gpu);
    expect(await costOf(open.serverId)).toBeLessThanOrEqual(await costOf(one.serverId));
  }
  expect(open.gpu).not.toMatch(/CMP|P106|Laptop/);
});

async function costOf(serverId: number): Promise<number> {
  const lines: string[] = [];
  const io = { out: (text: string) => lines.push(text), signal: new AbortController().signal };
  const source = { api: plugin.clore, hasKey: true, memory: {} };
  await showOffers(
    readQuestion(["--model", "gemma3:12b", "--for", "8h", "--json", "--limit", "9999"]),
    io,
    source,
  );
  const all: { serverId: number; costToFinishUsd: number }[] = JSON.parse(lines.join("\n")).offers;
  return all.find((one) => one.serverId === serverId)!.costToFinishUsd;
}
