import { printable } from "../../core/errors.ts";
import type { SshConnection } from "../../ssh/types.ts";
import { runServiceScript } from "./script.ts";

/** What is seen of a service on its host. */
export interface ServiceSeen {
  /** Something of it is there. */
  installed: boolean;
  /** Its process runs under a living supervisor. */
  running: boolean;
  /** The current release was seen healthy after its start; not so while it starts, or when that was cut short. */
  provenHealthy: boolean;
  pid: number | undefined;
  /** Digest of the release that is current. */
  digest: string | undefined;
  /** Start of the process, in milliseconds since the epoch by the host's clock. */
  sinceMs: number | undefined;
  /** Restarts since the supervisor was started. */
  restarts: number;
  /** Exit code of the last process that ended (128 + n for signal n). */
  lastExit: number | undefined;
  /** `exited`: its restart policy says that it is over. `backoff`: between a crash and the next try. */
  state: "running" | "backoff" | "exited" | "stopped";
  /** Free space on the host, in bytes. */
  freeBytes: number | undefined;
  /** The last lines of its log, at most 20, safe for a terminal. */
  log: readonly string[];
}

/** What is seen of several services of a host, in one round trip; a name that is not there is `installed: false`. */
export async function observeServices(
  ssh: SshConnection,
  names: readonly string[],
  options: { signal?: AbortSignal } = {},
): Promise<ReadonlyMap<string, ServiceSeen>> {
  const result = await runServiceScript(ssh, ["observe", ...names], {
    timeoutMs: 30_000,
    signal: options.signal,
  });
  const seen = parseObserved(result.stdout);
  return new Map(names.map((name) => [name, seen.get(name) ?? ABSENT]));
}

/** What is seen of one service, in one round trip. */
export async function observeService(
  ssh: SshConnection,
  name: string,
  options: { signal?: AbortSignal } = {},
): Promise<ServiceSeen> {
  return (await observeServices(ssh, [name], options)).get(name)!;
}

const ABSENT: ServiceSeen = {
  installed: false,
  running: false,
  provenHealthy: false,
  pid: undefined,
  digest: undefined,
  sinceMs: undefined,
  restarts: 0,
  lastExit: undefined,
  state: "stopped",
  freeBytes: undefined,
  log: [],
};

/** Reads what `observe` of `templates/host/service.sh` prints. Pure; rubbish becomes "not there". */
export function parseObserved(text: string): ReadonlyMap<string, ServiceSeen> {
  const all = new Map<string, ServiceSeen>();
  const [head = "", ...sections] = text.split(/^## /m);
  const freeKb = whole(readAnswer(head).get("free_kb"));
  for (const section of sections) {
    const end = section.indexOf("\n");
    const values = readAnswer(section.slice(end + 1));
    const state = values.get("state");
    const running =
      values.has("alive") && state === "running" && whole(values.get("supervisor")) !== undefined;
    const since = whole(values.get("since"));
    all.set(section.slice(0, end).trim(), {
      installed: values.has("backend"),
      running,
      provenHealthy: values.has("healthy"),
      pid: running ? whole(values.get("pid")) : undefined,
      digest: values.get("digest") || undefined,
      sinceMs: running && since !== undefined ? since * 1000 : undefined,
      restarts: whole(values.get("restarts")) ?? 0,
      lastExit: whole(values.get("last_exit")),
      state:
        running || state === "backoff" || state === "exited" ? (state as ServiceSeen["state"]) : "stopped",
      freeBytes: freeKb === undefined ? undefined : freeKb * 1024,
      log: readLog(section),
    });
  }
  return all;
}

/** The `key=value` lines of an answer; the first of a name counts. */
export function readAnswer(text: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const line of text.split("\n")) {
    const match = /^([a-z_]+)=(.*)$/.exec(line);
    if (match && !values.has(match[1]!)) values.set(match[1]!, printable(match[2]!));
  }
  return values;
}

/** The `|` lines of an answer: what a service wrote to its log. */
export function readLog(text: string): readonly string[] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) => printable(line.slice(1)))
    .slice(-20);
}

function whole(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
