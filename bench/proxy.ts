/**
 * What the bundled proxy costs: start-up, memory at rest, and requests per second before a stand-in of the Gemini API
 * that answers at once, beside a bare node:http proxy that only forwards bytes.
 *
 *   node bench/proxy.ts
 *
 * All processes share this machine's cores, so only the ratio travels. Runs alternate; the median is printed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { Pool } from "undici";
import { bundleProxy } from "../tools/bundle.ts";

const starts = 7;
const rounds = 5;
const requestsPerRound = 3000;
const connections = 16;

const answer = JSON.stringify({
  candidates: [{ content: { role: "model", parts: [{ text: "Hello" }] }, finishReason: "STOP" }],
  usageMetadata: { promptTokenCount: 11, candidatesTokenCount: 5 },
});
const stubProgram = `
  const http = process.getBuiltinModule("http");
  const server = http.createServer((request, response) => {
    request.resume().on("end", () => {
      response.writeHead(200, { "content-type": "application/json" }).end(${JSON.stringify(answer)});
    });
  });
  server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port })));`;
const floorProgram = `
  const http = process.getBuiltinModule("http");
  const agent = new http.Agent({ keepAlive: true });
  const server = http.createServer((request, response) => {
    const onward = http.request(process.env.UPSTREAM_BASE_URL, { method: "POST", agent }, (reply) => {
      response.writeHead(reply.statusCode, reply.headers);
      reply.pipe(response);
    });
    request.pipe(onward);
  });
  server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port })));`;

const children: ChildProcess[] = [];
try {
  await main();
} finally {
  for (const child of children) child.kill();
}

async function main(): Promise<void> {
  const { path, bytes } = await bundleProxy();
  console.log(`node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "?"}`);
  console.log(`bundle          ${Math.round(bytes / 1024)} KiB`);
  const stub = await start(["-e", stubProgram]);
  const env = {
    GOOGLE_API_KEY: "bench",
    PROXY_API_KEYS: "bench",
    UPSTREAM_BASE_URL: stub.url,
    PORT: "0",
    HOST: "127.0.0.1",
  };

  const startMs: number[] = [];
  for (let i = 0; i < starts; i++) {
    const proxy = await start([path], env);
    startMs.push(proxy.startMs);
    proxy.child.kill();
  }
  console.log(
    `start           ${median(startMs).toFixed(0)} ms from spawn to the first answer (${starts} starts)`,
  );

  const proxy = await start([path], env);
  const floor = await start(["-e", floorProgram], env);
  await pause(1000);
  console.log(`at rest         ${memory(proxy)}; bare node:http proxy ${memory(floor)}`);

  const perSecond = { proxy: [] as number[], floor: [] as number[] };
  await round(proxy.url);
  await round(floor.url);
  for (let i = 0; i < rounds; i++) {
    perSecond.floor.push(await round(floor.url));
    perSecond.proxy.push(await round(proxy.url));
  }
  const [ours, bare] = [median(perSecond.proxy), median(perSecond.floor)];
  console.log(
    `throughput      ${ours.toFixed(0)} requests/s; bare ${bare.toFixed(0)}; ratio ${(ours / bare).toFixed(2)}`,
  );
  await pause(1000);
  console.log(`after the load  ${memory(proxy)}; bare ${memory(floor)}`);
}

/** Starts a program and waits until it answers; its first line of output names its port. */
async function start(argv: string[], env: Record<string, string> = {}) {
  const from = performance.now();
  const child = spawn(process.execPath, argv, { env, stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout.once("data", (chunk: Buffer) => resolve(chunk.toString()));
    child.once("exit", (code) => reject(new Error(`ended with ${code} before it listened`)));
  });
  child.stdout.resume();
  const url = `http://127.0.0.1:${JSON.parse(line).port}`;
  await (await fetch(`${url}/healthz`)).text();
  return { child, url, startMs: performance.now() - from };
}

/** One round of small chat requests; gives requests per second. */
async function round(url: string): Promise<number> {
  const pool = new Pool(url, { connections });
  const headers = { authorization: "Bearer bench", "content-type": "application/json" };
  const body = JSON.stringify({ message: "Say hello." });
  let left = requestsPerRound;
  const from = performance.now();
  const worker = async () => {
    while (left-- > 0) {
      const response = await pool.request({ path: "/chat", method: "POST", headers, body });
      if (response.statusCode !== 200) throw new Error(`answered ${response.statusCode}`);
      await response.body.dump();
    }
  };
  await Promise.all(Array.from({ length: connections }, worker));
  const seconds = (performance.now() - from) / 1000;
  await pool.close();
  return requestsPerRound / seconds;
}

/** Resident memory; the file part is mostly Node's own binary, shared between processes and dropped under pressure. */
function memory({ child }: { child: ChildProcess }): string {
  const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
  const megabytes = (name: string) =>
    Math.round((Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) * 1024) / 1e6);
  return `${megabytes("VmRSS")} MB RSS (${megabytes("RssAnon")} its own, ${megabytes("RssFile")} mapped files)`;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
