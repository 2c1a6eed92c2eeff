/**
 * What the bundled proxy costs before a stand-in of the Gemini API that answers at once: start-up, memory, requests per
 * second, processor time a request, and latency at a low rate, beside a bare node:http forwarder (the floor). `--peers`
 * adds LiteLLM's proxy and Portkey's gateway, which are installed into the cache (LiteLLM needs python3 with venv).
 *
 *   node bench/proxy/main.ts [--peers]
 *
 * All processes share this machine's cores, so only ratios travel; processor time suffers least from what else runs here.
 * Tools alternate within a round; medians are printed.
 */
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { cacheDirectory } from "../../src/core/state-directory.ts";
import { freePort } from "../../test/support/sshd.ts";
import { bundleProxy } from "../../tools/bundle.ts";
import { litellm, litellmVersion } from "./litellm.ts";
import { connections, fullLoad, latencies, median } from "./load.ts";
import { floor, ours } from "./ours.ts";
import { portkey, portkeyVersion } from "./portkey.ts";
import { cleanUp, memory, type Running, startProgram, startTool } from "./running.ts";
import type { Question, Tool } from "./tool.ts";

const { peers } = parseArgs({ options: { peers: { type: "boolean", default: false } } }).values;
const rounds = peers ? 5 : 3;
const fullSeconds = 3;
const low = { rate: 20, seconds: peers ? 10 : 5 };

const answer = JSON.stringify({
  candidates: [{ content: { role: "model", parts: [{ text: "Hello" }] }, finishReason: "STOP" }],
  usageMetadata: { promptTokenCount: 11, candidatesTokenCount: 5 },
});
const standIn = `
  process.getBuiltinModule("http").createServer((request, response) => {
    request.resume().on("end", () => {
      response.writeHead(200, { "content-type": "application/json" }).end(${JSON.stringify(answer)});
    });
  }).listen(Number(process.env.PORT), "127.0.0.1");`;

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    cleanUp();
    process.exit(1);
  });
}
await main();

interface Measured {
  tool: Tool;
  healthyMs: number[];
  answeredMs: number[];
  perSecond: number[];
  processorMs: number[];
  p50: number[];
  p99: number[];
  atRest: { resident: number; own: number };
  afterLoad: { resident: number; own: number };
}

async function main(): Promise<void> {
  const { path, bytes } = await bundleProxy();
  const cache = join(cacheDirectory(process.env), "bench");
  const tools = [ours(path), floor, ...(peers ? [portkey(cache), litellm(cache)] : [])];
  console.log(`node ${process.version}${peers ? `, ${litellmVersion}, ${portkeyVersion}` : ""}`);
  console.log(`${cpus().length} × ${cpus()[0]?.model ?? "?"}, load ${load()} at the start`);
  console.log(`bundle ${Math.round(bytes / 1024)} KiB; ${rounds} rounds, ${connections} connections`);

  const port = await freePort();
  const program = { command: [process.execPath, "-e", standIn], env: { PORT: String(port) } };
  await using upstream = await startProgram(program, port, "/");
  const none = { resident: 0, own: 0 };
  const all = tools.map((tool): Measured => {
    const lists = { healthyMs: [], answeredMs: [], perSecond: [], processorMs: [], p50: [], p99: [] };
    return { tool, ...lists, atRest: none, afterLoad: none };
  });

  for (let round = -1; round < rounds; round++) {
    for (const measured of all) await measureStart(measured, upstream.url, round >= 0);
  }
  await using stack = new AsyncDisposableStack();
  const up: { measured: Measured; running: Running; question: Question }[] = [];
  for (const measured of all) {
    const running = stack.use(await startTool(measured.tool, upstream.url));
    const question = measured.tool.question(upstream.url);
    await checkAnswer(measured.tool, running, question);
    up.push({ measured, running, question });
  }
  await pause(3_000);
  for (const { measured, running } of up) measured.atRest = memory(running);
  // The first round warms up: code is compiled, connections are made.
  for (let round = -1; round < rounds; round++) {
    for (const { measured, running, question } of up) {
      const slow = await latencies(running.url, question, low.rate, round < 0 ? 1 : low.seconds);
      const full = await fullLoad(running, question, fullSeconds);
      if (round < 0) continue;
      measured.p50.push(slow.p50);
      measured.p99.push(slow.p99);
      measured.perSecond.push(full.perSecond);
      measured.processorMs.push(full.processorMs);
    }
  }
  await pause(3_000);
  for (const { measured, running } of up) measured.afterLoad = memory(running);
  report(all);
  console.log(`load ${load()} at the end, this benchmark's own included`);
}

/** The first start of all is not counted: it reads the program from the disk. */
async function measureStart({ tool, ...lists }: Measured, upstream: string, counts: boolean): Promise<void> {
  const from = performance.now();
  await using running = await startTool(tool, upstream);
  await checkAnswer(tool, running, tool.question(upstream), false);
  if (!counts) return;
  lists.healthyMs.push(running.healthyMs);
  lists.answeredMs.push(performance.now() - from);
}

/** It passes on what the stand-in says, and a caller with another key gets nothing where keys are checked. */
async function checkAnswer(tool: Tool, { url }: Running, question: Question, keys = tool.checksKeys) {
  const { path, headers, body } = question;
  const response = await fetch(url + path, { method: "POST", headers, body });
  const text = response.ok ? tool.answerText(await response.json()) : await response.text();
  if (text !== "Hello") throw new Error(`${tool.title} answered ${response.status}: ${text}`);
  if (!keys) return;
  const wrong = { ...headers, authorization: "Bearer sk-wrong" };
  const refused = await fetch(url + path, { method: "POST", headers: wrong, body });
  await refused.arrayBuffer();
  if (refused.ok) throw new Error(`${tool.title} let a wrong key in`);
}

function report(all: readonly Measured[]): void {
  const [mine, bare] = [all[0]!, all[1]!];
  const row = (title: string, unit: string, digits: number, value: (measured: Measured) => number) => {
    console.log(`\n${title}`);
    for (const measured of all) {
      const [ofOurs, ofFloor] = [mine, bare].map((other) => (value(measured) / value(other)).toFixed(2));
      console.log(
        `  ${measured.tool.title.padEnd(8)} ${value(measured).toFixed(digits).padStart(8)} ${unit.padEnd(3)} ` +
          `${ofOurs!.padStart(7)} × ours ${ofFloor!.padStart(7)} × floor`,
      );
    }
  };
  row("spawn to the first healthy answer", "ms", 0, ({ healthyMs }) => median(healthyMs));
  row("spawn to the first answer of the model", "ms", 0, ({ answeredMs }) => median(answeredMs));
  row("memory at rest", "MB", 0, ({ atRest }) => atRest.resident);
  row("memory at rest without mapped files", "MB", 0, ({ atRest }) => atRest.own);
  row("memory after the load", "MB", 0, ({ afterLoad }) => afterLoad.resident);
  row("requests per second", "/s", 0, ({ perSecond: values }) => median(values));
  row("processor time a request", "ms", 2, ({ processorMs }) => median(processorMs));
  row(`latency at ${low.rate}/s, p50`, "ms", 2, ({ p50 }) => median(p50));
  row(`latency at ${low.rate}/s, p99`, "ms", 2, ({ p99 }) => median(p99));
}

function load(): string {
  return loadavg()[0]!.toFixed(1);
}
