import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { promisify } from "node:util";
import { createGzip } from "node:zlib";
import { pack } from "tar-stream";
import { CloreError } from "../../core/errors.ts";
import { type Log, silentLog } from "../../core/log.ts";
import { quote } from "../../ssh/quote.ts";
import type { SshConnection } from "../../ssh/types.ts";
import { diskFull, hostFailure, isDiskFull } from "../failure.ts";
import type { HostFacts } from "../types.ts";
import { OLLAMA_FOLDER } from "./disk.ts";
import { formatBytes } from "./progress.ts";

/** What is put on hosts, and the version of the image on hosts with Docker. */
export const OLLAMA_VERSION = "0.17.4";

/** 1.4 GB over a slow line. */
const DOWNLOAD_TIMEOUT_MS = 60 * 60_000;
const UPLOAD_TIMEOUT_MS = 30 * 60_000;

export interface InstallOptions {
  /** A folder here with `bin/ollama` of {@link OLLAMA_VERSION} for the host's kind of machine: see {@link localOllama}. */
  provide: () => Promise<string | undefined>;
  /** Where a host downloads from, in the layout of Ollama's releases. @default the releases on GitHub */
  downloadBase?: string;
  signal?: AbortSignal;
  log?: Log;
}

/**
 * Makes sure that Ollama is on a host, and gives the absolute path of the program. In this order: the host's own of the
 * pinned version, or the one put there before; the official archive, downloaded by the host and compared with the
 * release's list of checksums; an upload of ours.
 * @throws CloreError `host.ollama-impossible`, `host.disk-full`
 */
export async function installOllama(
  ssh: SshConnection,
  facts: HostFacts,
  options: InstallOptions,
): Promise<string> {
  const log = options.log ?? silentLog;
  const arch = archOf(facts);
  const base = `${options.downloadBase ?? "https://github.com/ollama/ollama/releases/download"}/v${OLLAMA_VERSION}`;
  const args = [OLLAMA_VERSION, `${base}/ollama-linux-${arch}.tar.zst`, `${base}/sha256sum.txt`];
  log.status(`Ollama ${OLLAMA_VERSION}: looking for it, else downloading it on the host (1.4 GB)`);
  const got = await ssh.exec(`sh -s -- ${quote(args)}`, {
    stdin: readFileSync(new URL("../../../templates/ollama/install.sh", import.meta.url), "utf8"),
    timeoutMs: DOWNLOAD_TIMEOUT_MS,
    signal: options.signal,
  });
  const there = got.stdout.trim().split("\n").at(-1) ?? "";
  if (got.exitCode === 0 && there.startsWith("/")) return there;
  if (isDiskFull(got.stderr)) throw diskFull("installing Ollama", got.stderr);
  if (got.exitCode !== 3) throw hostFailure("installing Ollama", got);
  const why = got.stderr.trim().split("\n").at(-1) ?? "";
  const home = await options.provide();
  if (home === undefined) {
    throw new CloreError("host.ollama-impossible", {
      message: `the host cannot download Ollama ${OLLAMA_VERSION}, and there is none here to send it`,
      seen: why,
      hint: "give the host internet access (github.com), use an image that has Ollama (mode image), or install that version on this machine",
      retry: "later",
    });
  }
  log.debug(`Ollama: the host could not download it: ${why}`);
  if (facts.gpus.length > 0 && !existsSync(join(home, "lib/ollama/cuda_v12")))
    log.warn("Ollama is uploaded from this machine without its parts for GPUs: models will run on the CPU");
  return upload(ssh, facts, home, options.signal, log);
}

/** How Ollama is started on a host: the program's path and its settings, all of them below our folder and on loopback. */
export async function ollamaProcess(
  ssh: SshConnection,
  facts: HostFacts,
  port: number,
  options: InstallOptions,
): Promise<{ program: string; env: Record<string, string> }> {
  const program = await installOllama(ssh, facts, options);
  const folder = `${facts.home}/${OLLAMA_FOLDER}`;
  return {
    program,
    env: { HOME: folder, OLLAMA_MODELS: `${folder}/models`, OLLAMA_HOST: `127.0.0.1:${port}` },
  };
}

/**
 * The folder of an Ollama of {@link OLLAMA_VERSION} on this machine that would run on the host: from the PATH or from
 * our cache, where the tests' one is kept. `undefined`: there is none, or the host is another kind of machine.
 */
export async function localOllama(
  cacheDir: string,
  facts: Pick<HostFacts, "arch">,
): Promise<string | undefined> {
  const here = process.arch === "arm64" ? "arm64" : process.arch === "x64" ? "amd64" : undefined;
  if (process.platform !== "linux" || here !== archOf(facts)) return undefined;
  const onPath = (process.env.PATH ?? "").split(":").map((dir) => join(dir, "ollama"));
  for (const file of [...onPath, join(cacheDir, "ollama", OLLAMA_VERSION, "bin/ollama")]) {
    if (existsSync(file) && (await versionOf(file)) === OLLAMA_VERSION) return dirname(dirname(file));
  }
  return undefined;
}

async function versionOf(file: string): Promise<string | undefined> {
  const env = { ...process.env, OLLAMA_HOST: "127.0.0.1:1" };
  const { stdout, stderr } = await promisify(execFile)(file, ["--version"], { env }).catch(() => ({
    stdout: "",
    stderr: "",
  }));
  return /version is (\S+)/.exec(stdout + stderr)?.[1];
}

function archOf(facts: Pick<HostFacts, "arch">): "amd64" | "arm64" {
  if (/^(x86_64|amd64)$/.test(facts.arch)) return "amd64";
  if (/^(aarch64|arm64)$/.test(facts.arch)) return "arm64";
  throw new CloreError("host.ollama-impossible", {
    message: `there is no Ollama for this host's architecture ${facts.arch}`,
    hint: "x86_64 and aarch64 hosts can run it",
  });
}

async function upload(
  ssh: SshConnection,
  facts: HostFacts,
  home: string,
  signal: AbortSignal | undefined,
  log: Log,
): Promise<string> {
  const zipped = facts.tools.includes("gzip");
  const content = await archive(home, zipped);
  log.status(`Ollama ${OLLAMA_VERSION}: uploading ${formatBytes(content.length)}`);
  const folder = `.pulumi-clore/runtime/ollama-${OLLAMA_VERSION}`;
  const command = [
    `umask 077; rm -rf ${folder} ${folder}.new; mkdir -p ${folder}.new || exit 1`,
    `${zipped ? "gzip -dc" : "cat"} | tar -xf - -C ${folder}.new || { rm -rf ${folder}.new; exit 1; }`,
    `mv ${folder}.new ${folder} && cd ${folder} && OLLAMA_HOST=127.0.0.1:1 ./bin/ollama --version >&2 && printf '%s\\n' "$PWD/bin/ollama"`,
  ].join("\n");
  const done = await ssh.exec(command, { stdin: content, timeoutMs: UPLOAD_TIMEOUT_MS, signal });
  if (done.exitCode !== 0) throw hostFailure("uploading Ollama", done);
  return done.stdout.trim().split("\n").at(-1) ?? "";
}

/** `bin/ollama` and what belongs to it under `lib/ollama`, without the parts for GPUs, which are gigabytes. */
async function archive(home: string, zipped: boolean): Promise<Buffer> {
  const files = ["bin/ollama"];
  const lib = join(home, "lib/ollama");
  for (const entry of await readdir(lib, { recursive: true, withFileTypes: true }).catch(() => [])) {
    const path = relative(home, join(entry.parentPath, entry.name));
    if (entry.isFile() && !/\/(cuda|rocm|vulkan|mlx)/.test(path)) files.push(path);
  }
  const tar = pack();
  const collected = (async () => {
    const chunks: Buffer[] = [];
    const stream = zipped ? tar.pipe(createGzip({ level: 1 })) : tar;
    for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
    return Buffer.concat(chunks);
  })();
  for (const path of files) {
    const { mode } = await stat(join(home, path));
    tar.entry({ name: path, mode: mode & 0o777 }, await readFile(join(home, path)));
  }
  tar.finalize();
  return collected;
}
