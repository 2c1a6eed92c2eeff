import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import type { Log } from "../../src/core/log.ts";

/**
 * Loads `url` into `file` and compares it with the vendor's list of checksums (`<hash>  <name>` a line).
 * Gives up after `connectMs` without an answer, so that a machine without internet is not kept waiting.
 * @throws Error naming the host that did not answer, or the checksum that differs
 */
export async function download(options: {
  url: string;
  file: string;
  sums: { url: string; algorithm: "sha256" | "sha512" };
  log: Log;
  connectMs?: number;
}): Promise<void> {
  const { url, log, sums } = options;
  const connectMs = options.connectMs ?? 5_000;
  const response = await get(url, connectMs);
  const total = Number(response.headers.get("content-length") ?? 0);
  const name = new URL(url).pathname.split("/").at(-1)!;
  const hash = createHash(sums.algorithm);
  let loaded = 0;
  await writeFile(
    options.file,
    (async function* () {
      for await (const chunk of response.body!) {
        hash.update(chunk);
        loaded += chunk.length;
        log.status(`downloading ${name}: ${mb(loaded)}${total ? ` of ${mb(total)}` : ""} MB`);
        yield chunk;
      }
    })(),
  );
  const expected = await checksum(sums.url, name, connectMs);
  if (expected === undefined)
    log.warn(`${name}: no checksum to be had from ${new URL(sums.url).host}; trusting the TLS connection`);
  else if (hash.digest("hex") !== expected)
    throw new Error(`${name} does not have the checksum that ${sums.url} lists`);
}

async function get(url: string, connectMs: number): Promise<Response> {
  const { host } = new URL(url);
  const connect = new AbortController();
  const timer = setTimeout(() => connect.abort(), connectMs);
  let response: Response;
  try {
    response = await fetch(url, { signal: connect.signal });
  } catch (error) {
    throw new Error(`${host} cannot be reached`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
  if (!response.ok) throw new Error(`${host} answered ${response.status} for ${url}`);
  return response;
}

async function checksum(url: string, name: string, connectMs: number): Promise<string | undefined> {
  try {
    const text = await (await get(url, connectMs)).text();
    return checksumIn(text, name);
  } catch {
    return undefined;
  }
}

/** The checksum of `name` in a vendor's list; some write `*name` (binary mode) or `./name`. */
export function checksumIn(list: string, name: string): string | undefined {
  const fields = list.split("\n").map((line) => line.trim().split(/\s+[*]?(?:\.\/)?/));
  return fields.find(([, file]) => file === name)?.[0];
}

function mb(bytes: number): number {
  return Math.round(bytes / 1e6);
}
