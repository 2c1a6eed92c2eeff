import type { Clock } from "../../core/clock.ts";
import { CloreError } from "../../core/errors.ts";
import { type Log, silentLog } from "../../core/log.ts";
import { until } from "../../core/until.ts";
import type { SshConnection } from "../../ssh/types.ts";
import { diskFull, isDiskFull, notingFullDisk } from "../failure.ts";
import { answerWords, httpOnHost } from "../http.ts";
import { showingItsLog } from "./follow.ts";
import { parseObserved, readAnswer, readLog, type ServiceSeen } from "./observe.ts";
import type { ServicePlan } from "./plan.ts";
import { runServiceScript } from "./script.ts";
import { applyTimeoutMs, type ServiceSpec } from "./spec.ts";

interface Io {
  signal?: AbortSignal;
  log?: Log;
  clock?: Clock;
}

/**
 * Does what a plan says and gives what is seen after. Round trips: one or two to write, one for all the rest: stop,
 * start, wait for health, and on failure go back to the release before, which then runs again. Nothing to do: none.
 * @throws CloreError `host.port-taken`, `host.service-crashed`, `host.service-unhealthy`, `host.disk-full`
 */
export async function applyService(
  ssh: SshConnection,
  plan: ServicePlan,
  io: Io = {},
): Promise<ServiceSeen | undefined> {
  const { spec, digest } = plan;
  const log = io.log ?? silentLog;
  if (plan.steps.length === 0) return undefined;
  log.status(`service ${spec.name}: writing files`);
  const bytes = plan.files.reduce((sum, file) => sum + Buffer.byteLength(file.content), 0);
  await notingFullDisk(ssh, `service ${spec.name}`, bytes, () =>
    ssh.writeFiles(plan.files, { signal: io.signal }),
  );
  log.status(`service ${spec.name}: ${plan.steps.at(-1)}, ${plan.because}`);
  const options = { timeoutMs: applyTimeoutMs(spec), signal: io.signal };
  const applied = runServiceScript(ssh, ["apply", spec.name, digest, plan.supervisor], options);
  const result = await showingItsLog(ssh, spec.name, applied, { log, clock: io.clock });
  const answer = parseAnswer(result.stdout);
  if (answer.result === "unchecked") {
    await checkThroughSsh(ssh, spec, io);
    const accepted = await runServiceScript(ssh, ["accept", spec.name], { timeoutMs: 30_000 });
    return parseObserved(accepted.stdout).get(spec.name);
  }
  if (answer.result !== "healthy") {
    throw startError(spec, answer);
  }
  log.status(`service ${spec.name}: healthy`);
  return parseObserved(result.stdout).get(spec.name);
}

interface Answer {
  result: string;
  values: ReadonlyMap<string, string>;
  log: readonly string[];
}

function parseAnswer(stdout: string): Answer {
  const head = stdout.split(/^## /m)[0]!;
  const values = readAnswer(head);
  return { result: values.get("result") ?? "unknown", values, log: readLog(head) };
}

/** Hosts without curl, wget and python3 are asked over our own connection. */
async function checkThroughSsh(ssh: SshConnection, spec: ServiceSpec, io: Io): Promise<void> {
  const health = spec.health;
  if (!health || !("http" in health)) return;
  const look = async () => {
    const seen = await httpOnHost(ssh, { ...health.http, timeoutMs: 5000, signal: io.signal }).then(
      (answer) => (answer.status >= 200 && answer.status < 400 ? undefined : answerWords(answer)),
      (error: CloreError) => error.seen ?? error.message,
    );
    return seen === undefined ? { done: true as const, value: undefined } : { done: false as const, seen };
  };
  const what = `service ${spec.name}`;
  try {
    await until(look, { what, deadlineMs: health.timeoutSeconds * 1000, everyMs: 500, signal: io.signal });
  } catch (error) {
    if (!(error instanceof CloreError)) throw error;
    const result = await runServiceScript(ssh, ["reject", spec.name], { timeoutMs: applyTimeoutMs(spec) });
    const answer = parseAnswer(result.stdout);
    throw startError(spec, { ...answer, values: new Map([...answer.values, ["seen", error.seen ?? ""]]) });
  }
}

function startError(spec: ServiceSpec, { result, values, log }: Answer): CloreError {
  const what = `service ${spec.name}`;
  if (result === "port-taken") {
    const by = values.get("by") ?? "?";
    return new CloreError("host.port-taken", {
      message: `${what}: port ${values.get("port")} is taken on the host`,
      seen: by === "?" ? "a process that this user cannot see" : `by process ${by}`,
      hint: "stop it, or give the service another port; what ran before still runs",
    });
  }
  const back = outcome(values.get("rolled_back"));
  const seen = log.join("\n") || "it wrote nothing to its log";
  if (isDiskFull(seen))
    return diskFull(`${what}: it failed${back}`, `${seen}\n${freeSpace(values.get("free_kb"))}`);
  if (result === "crashed") {
    return new CloreError("host.service-crashed", {
      message: `${what} ended at its start with exit code ${values.get("exit") || "unknown"}${back}`,
      seen,
      hint: "these are its last log lines; correct its command, files or environment",
    });
  }
  const limit = spec.health?.timeoutSeconds ?? 60;
  return new CloreError("host.service-unhealthy", {
    message: `${what} was not healthy within ${limit} s${back}`,
    seen: [`last check: ${values.get("seen") || "no answer"}`, seen].join("\n"),
    hint: "look at its last log lines; a slow start needs a longer health.timeoutSeconds",
    retry: "later",
  });
}

function outcome(rolledBack: string | undefined): string {
  if (rolledBack === undefined) return "";
  return rolledBack === "healthy" || rolledBack === "unchecked"
    ? "; the version before it runs again"
    : "; the version before it was started again and is not healthy either";
}

function freeSpace(kb: string | undefined): string {
  return kb ? `${(Number(kb) / 1024 / 1024).toFixed(2)} GB free` : "free space unknown";
}
