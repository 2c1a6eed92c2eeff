import { setTimeout as pause } from "node:timers/promises";
import { Pool } from "undici";
import { processorMs, type Running } from "./running.ts";
import type { Question } from "./tool.ts";

export const connections = 16;

/** As many requests as go through in this time over 16 connections, each sent when the last was answered. */
export async function fullLoad(running: Running, question: Question, seconds: number) {
  const pool = new Pool(running.url, { connections });
  const before = processorMs(running);
  const from = performance.now();
  let answered = 0;
  const worker = async () => {
    while (performance.now() - from < seconds * 1000) {
      await send(pool, question);
      answered++;
    }
  };
  await Promise.all(Array.from({ length: connections }, worker));
  const took = (performance.now() - from) / 1000;
  await pool.close();
  return { perSecond: answered / took, processorMs: (processorMs(running) - before) / answered };
}

/** Milliseconds from sending to the whole answer, at a fixed rate: a request is sent whether the last was answered or not. */
export async function latencies(url: string, question: Question, rate: number, seconds: number) {
  const pool = new Pool(url, { connections });
  const took: number[] = [];
  const ask = async () => {
    const sent = performance.now();
    await send(pool, question);
    took.push(performance.now() - sent);
  };
  const from = performance.now();
  const running: Promise<void>[] = [];
  for (let i = 0; i < rate * seconds; i++) {
    await pause(Math.max(0, from + (i * 1000) / rate - performance.now()));
    running.push(ask());
  }
  await Promise.all(running);
  await pool.close();
  return { p50: percentile(took, 0.5), p99: percentile(took, 0.99) };
}

async function send(pool: Pool, { path, headers, body }: Question): Promise<void> {
  const response = await pool.request({ path, method: "POST", headers, body });
  if (response.statusCode !== 200) throw new Error(`${path} answered ${response.statusCode}`);
  await response.body.dump();
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

function percentile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1]!;
}
