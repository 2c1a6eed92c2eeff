import { CloreError } from "../../core/errors.ts";
import { type Log, silentLog } from "../../core/log.ts";
import { quote } from "../../ssh/quote.ts";
import type { SshConnection } from "../../ssh/types.ts";
import { diskFull, isDiskFull, lastLines } from "../failure.ts";
import type { HostFacts } from "../types.ts";
import { lookForVllm } from "./look.ts";
import { planVllm, vllmFolder } from "./plan.ts";

/** 4 to 5 GB over a slow line, and as much to unpack. */
const INSTALL_TIMEOUT_MS = 60 * 60_000;

export interface VllmOptions {
  /** Where pip takes packages from: see `pipIndexArguments`. @default as the host's pip is set up */
  index?: string;
  signal?: AbortSignal;
  log?: Log;
}

/**
 * Makes sure that vLLM of the pinned version is on a host, and gives how it is started: the program's path and its
 * settings, all of whose files are below our folder. There already: one round trip.
 * @throws CloreError `host.no-gpu`, `host.wrong-gpu`, `host.vllm-impossible`, `host.too-little-disk` before anything is
 * downloaded; `host.vllm-install-failed`, `host.disk-full`
 */
export async function vllmProcess(
  ssh: SshConnection,
  facts: HostFacts,
  options: VllmOptions = {},
): Promise<{ program: string; env: Record<string, string> }> {
  const plan = planVllm(facts, await lookForVllm(ssh, options.signal), options.index);
  if (plan.lines.length > 0) await install(ssh, facts, plan.lines, options);
  const bin = plan.program.replace(/\/[^/]*$/, "");
  return {
    program: plan.program,
    env: {
      // Models, compiled kernels and other caches: vLLM and what it uses keep them below the home.
      HOME: `${facts.home}/.pulumi-clore/vllm`,
      PATH: `${bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/cuda/bin`,
      ...VLLM_ENV,
    },
  };
}

/** Nothing is told to its makers. */
export const VLLM_ENV = { VLLM_NO_USAGE_STATS: "1", DO_NOT_TRACK: "1" };

async function install(
  ssh: SshConnection,
  facts: HostFacts,
  lines: readonly string[],
  options: VllmOptions,
): Promise<void> {
  const log = options.log ?? silentLog;
  log.status("vLLM: installing (4 to 5 GB to download)");
  const result = await ssh.exec("sh -s", {
    stdin: [...guard(facts.home), ...lines, ""].join("\n"),
    timeoutMs: INSTALL_TIMEOUT_MS,
    signal: options.signal,
    onOutput: (_, text) => log.status(`vLLM: ${lastLines(text, 1).slice(0, 150)}`),
  });
  if (result.exitCode === 0) return;
  const seen = lastLines(`${result.stdout}\n${result.stderr}`, 20);
  if (isDiskFull(seen)) throw diskFull("installing vLLM", seen);
  throw new CloreError("host.vllm-install-failed", {
    message: `installing vLLM failed on the host with exit code ${result.exitCode}`,
    seen,
    hint: "these are its last lines; CLORE_VLLM_INDEX names another package index, mode image needs none",
    retry: "later",
  });
}

/** One installation at a time, so that two services on a host, or a run after a lost one, share it. */
function guard(home: string): string[] {
  return [
    "set -e",
    "umask 077",
    'mkdir -p "$HOME/.pulumi-clore/runtime" "$HOME/.pulumi-clore/vllm"',
    'if command -v flock >/dev/null 2>&1; then exec 9>"$HOME/.pulumi-clore/runtime/vllm.lock"; flock 9; fi',
    `if [ -e ${quote([`${vllmFolder(home)}/complete`])} ]; then exit 0; fi`,
  ];
}
