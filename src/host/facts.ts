import { CloreError, printable } from "../core/errors.ts";
import { type Exec, runScript } from "../ssh/script.ts";
import type { SshConnection } from "../ssh/types.ts";
import { template } from "./template.ts";
import type { HostFacts } from "./types.ts";

/** The most that the probe may take, in milliseconds. Each program inside it is bounded by 6 s of its own. */
const PROBE_TIMEOUT_MS = 60_000;
/** Any field longer than this is cut: names come from a stranger's host. */
const MAX_FIELD = 200;
/** No machine has more; a longer list is a lie. */
const MAX_GPUS = 64;
const KIB_PER_GB = 1024 * 1024;

/**
 * What a server is, in one round trip: OS, CPU, RAM, disk, GPUs, PID 1, supervisors, Docker, privileges, tools.
 * Units: RAM, disk and VRAM in GB of 2^30 bytes. RAM is the container's limit where that is lower.
 * @throws CloreError `host.bad-facts` when the host answers nothing usable
 */
export async function readFacts(
  ssh: SshConnection,
  options: { signal?: AbortSignal } = {},
): Promise<HostFacts> {
  const exec: Exec = (command, execOptions) => ssh.exec(command, execOptions);
  const result = await runScript(exec, template("facts.sh"), [], {
    timeoutMs: PROBE_TIMEOUT_MS,
    maxOutputBytes: 1024 * 1024,
    signal: options.signal,
  });
  return parseFacts(result.stdout);
}

/**
 * Reads the output of `templates/host/facts.sh`. Pure. What is missing or makes no sense becomes "not there";
 * only an answer without kernel, user and memory is refused.
 * @throws CloreError `host.bad-facts`
 */
export function parseFacts(text: string): HostFacts {
  const sections = splitSections(text);
  const lines = (name: string) => sections.get(name) ?? [];
  const [arch = "", kernel = ""] = lines("uname");
  const [user = "", uid = "", home = ""] = lines("user");
  if (!/^\w+$/.test(arch) || !home.startsWith("/") || !/^\d+$/.test(uid)) {
    throw new CloreError("host.bad-facts", {
      message: "the host did not say what it is",
      seen: printable(text.slice(0, 300)) || "no output",
      hint: "a Linux host with a POSIX sh is needed; a login banner or a forced command may be in the way",
    });
  }
  const pid1 = lines("pid1")[0] ?? "";
  const tools = lines("tools")
    .filter((tool) => /^[\w-]{1,20}$/.test(tool))
    .slice(0, 30);
  return {
    os: parseOs(lines("os")),
    arch,
    kernel,
    cpuThreads: wholeNumber(lines("cpu")[0], 4096) ?? 1,
    ramGb: parseRam(lines("mem")),
    disk: parseDisk(lines("disk")),
    gpus: parseGpus(lines("gpu")),
    pid1,
    user,
    home,
    isRoot: uid === "0",
    canSudo: lines("sudo")[0] === "yes",
    systemd: pid1 === "systemd" && /^(running|degraded|starting)$/.test(lines("systemd")[0] ?? ""),
    supervisord: /^[1-9]\d*$/.test(lines("supervisord")[0] ?? ""),
    docker: parseDocker(lines("docker")),
    privileged: hasSysAdmin(lines("caps")[0]),
    tools,
    nodeVersion: lines("node")[0]?.match(/^v(\d+\.\d+\.\d+)$/)?.[1],
  };
}

function splitSections(text: string): Map<string, string[]> {
  const sections = new Map<string, string[]>();
  let current: string[] | undefined;
  for (const raw of text.slice(0, 500_000).split("\n")) {
    const line = printable(raw).trim().slice(0, MAX_FIELD);
    const title = /^## ([a-z0-9]+)$/.exec(line)?.[1];
    if (title !== undefined) {
      // The first section of a name counts: a program's output cannot rewrite what was said before it.
      current = [];
      if (!sections.has(title)) sections.set(title, current);
    } else if (current && line !== "") {
      current.push(line);
    }
  }
  return sections;
}

function parseOs(lines: readonly string[]): HostFacts["os"] {
  const value = (key: string) =>
    lines
      .find((line) => line.startsWith(`${key}=`))
      ?.slice(key.length + 1)
      .replace(/^(["'])(.*)\1$/, "$2");
  const id = value("ID") ?? "unknown";
  const version = value("VERSION_ID") ?? "";
  return { id, version, prettyName: value("PRETTY_NAME") ?? `${id} ${version}`.trim() };
}

function parseRam(lines: readonly string[]): number {
  let kib = Number.POSITIVE_INFINITY;
  for (const line of lines) {
    const total = /^MemTotal:\s*(\d{1,13}) kB$/.exec(line)?.[1];
    const limit = /^limit: (\d{1,20})$/.exec(line)?.[1];
    if (total) kib = Math.min(kib, Number(total));
    if (limit && Number(limit) > 0) kib = Math.min(kib, Number(limit) / 1024);
  }
  return Number.isFinite(kib) ? tenths(kib / KIB_PER_GB) : 0;
}

function parseDisk(lines: readonly string[]): HostFacts["disk"] {
  for (const line of lines) {
    const match = /\s(\d{1,16})\s+\d+\s+(\d{1,16})\s+\d+%/.exec(line);
    if (match)
      return {
        totalGb: tenths(Number(match[1]) / KIB_PER_GB),
        freeGb: tenths(Number(match[2]) / KIB_PER_GB),
      };
  }
  return { totalGb: 0, freeGb: 0 };
}

function parseGpus(lines: readonly string[]): HostFacts["gpus"] {
  const gpus: HostFacts["gpus"][number][] = [];
  for (const line of lines.slice(0, MAX_GPUS)) {
    const [name = "", memory = "", driver = ""] = line.split(",").map((field) => field.trim());
    const mib = wholeNumber(memory, 4_000_000);
    // nvidia-smi words its failures on stdout ("NVIDIA-SMI has failed because…"): those lines have no number.
    if (name === "" || (mib === undefined && !/^\[.*\]$/.test(memory))) continue;
    gpus.push({
      name,
      vramGb: tenths((mib ?? 0) / 1024),
      driver: /^\d+(\.\d+)+$/.test(driver) ? driver : undefined,
    });
  }
  return gpus;
}

function parseDocker(lines: readonly string[]): HostFacts["docker"] {
  const after = (word: string) => lines.find((line) => line.startsWith(`${word} `))?.slice(word.length + 1);
  const fromApi = /"Version":"([^"]+)"/.exec(after("info") ?? "")?.[1];
  const version = [after("version"), fromApi].find((text) => text !== undefined && /^\d+\.\d+/.test(text));
  const socket = after("socket");
  const works = version !== undefined && socket !== undefined && lines.includes("writable");
  return { cli: lines.includes("cli"), socket, works, version };
}

/** Bit 21 of the effective set is CAP_SYS_ADMIN (linux/capability.h). */
function hasSysAdmin(line: string | undefined): boolean {
  const hex = /^CapEff:\s*([0-9a-f]{1,16})$/i.exec(line ?? "")?.[1];
  return hex !== undefined && ((BigInt(`0x${hex}`) >> 21n) & 1n) === 1n;
}

function wholeNumber(text: string | undefined, max: number): number | undefined {
  if (text === undefined || !/^\d{1,9}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= 1 && value <= max ? value : undefined;
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}
