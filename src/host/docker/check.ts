import { CloreError, printable } from "../../core/errors.ts";
import { type Look, until } from "../../core/until.ts";
import { answerWords, httpOnHost } from "../http.ts";
import type { DockerHost } from "./client.ts";
import { type ContainerSeen, containerLogs, demultiplex, inspect } from "./observe.ts";
import type { ContainerSpec } from "./spec.ts";

/** A container without a health check has to stay up for this long. */
const SETTLE_MS = 2_000;
const EVERY_MS = 500;

/**
 * Waits until a container that was started is healthy, and gives what is seen then.
 * @throws CloreError `host.container-crashed` with its exit code and last lines as soon as it ends, `host.container-unhealthy`
 */
export async function awaitContainer(
  host: DockerHost,
  spec: ContainerSpec,
  signal?: AbortSignal,
): Promise<ContainerSeen> {
  const start = performance.now();
  const look = async (): Promise<Look<ContainerSeen>> => {
    const seen = await inspect(host.docker, spec.name);
    if (!seen) throw await crashed(host, spec, undefined);
    if (!seen.running) {
      const mayEnd = spec.restart === "no" || spec.restart === "on-failure";
      if (seen.exited && seen.exitCode === 0 && mayEnd && !spec.health) return { done: true, value: seen };
      throw await crashed(host, spec, seen);
    }
    if (seen.restarts > 0) throw await crashed(host, spec, seen);
    const lacking = await lack(host, spec, seen, performance.now() - start, signal);
    return lacking === undefined ? { done: true, value: seen } : { done: false, seen: lacking };
  };
  const seconds = spec.health?.timeoutSeconds ?? 30;
  const what = `container ${spec.name}`;
  try {
    return await until(look, {
      what,
      deadlineMs: seconds * 1000,
      everyMs: EVERY_MS,
      signal,
      code: UNHEALTHY,
    });
  } catch (error) {
    if (!(error instanceof CloreError) || error.code !== UNHEALTHY) throw error;
    const log = await containerLogs(host.docker, spec.name, 20).catch(() => "");
    throw new CloreError(UNHEALTHY, {
      message: `${what} was not healthy within ${seconds} s`,
      seen: [`last check: ${error.seen}`, log.trimEnd()].filter(Boolean).join("\n"),
      hint: "look at its last log lines; a slow start needs a longer health.timeoutSeconds",
      retry: "later",
    });
  }
}

const UNHEALTHY = "host.container-unhealthy";

/** What is missing for a running container to be healthy. */
async function lack(
  host: DockerHost,
  spec: ContainerSpec,
  seen: ContainerSeen,
  ranMs: number,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const { health } = spec;
  if (!health) return ranMs >= SETTLE_MS ? undefined : "it was started just now";
  if ("command" in health) return execLack(host, spec.name, health.command, signal);
  const mapped = spec.ports?.find((port) => port.container === health.http.port);
  const listens = mapped?.address ?? "127.0.0.1";
  const to = mapped
    ? { host: listens === "0.0.0.0" ? "127.0.0.1" : listens, port: mapped.host }
    : { host: seen.address ?? "127.0.0.1", port: health.http.port };
  return httpOnHost(host.ssh, { ...to, path: health.http.path, timeoutMs: 5000, signal }).then(
    (answer) => (answer.status >= 200 && answer.status < 400 ? undefined : answerWords(answer)),
    (error: unknown) => {
      if (!(error instanceof CloreError)) throw error;
      return error.seen ?? error.message;
    },
  );
}

async function execLack(
  { docker }: DockerHost,
  name: string,
  command: readonly string[],
  signal?: AbortSignal,
): Promise<string | undefined> {
  const options = { Cmd: [...command], AttachStdout: true, AttachStderr: true, abortSignal: signal };
  try {
    const exec = await docker.getContainer(name).exec(options);
    const stream = await exec.start({});
    const output: Buffer[] = [];
    for await (const chunk of stream) output.push(chunk as Buffer);
    const { ExitCode } = await exec.inspect();
    if (ExitCode === 0) return undefined;
    const last = demultiplex(Buffer.concat(output)).trim().split("\n").at(-1) ?? "";
    return printable(`exit code ${ExitCode}: ${last}`.slice(0, 300));
  } catch (error) {
    signal?.throwIfAborted();
    // It may have ended between two looks: the next look says so.
    return printable(error instanceof Error ? error.message : String(error));
  }
}

async function crashed(
  { docker }: DockerHost,
  spec: ContainerSpec,
  seen: ContainerSeen | undefined,
): Promise<CloreError> {
  const log = await containerLogs(docker, spec.name, 20).catch(() => "");
  return new CloreError("host.container-crashed", {
    message: `container ${spec.name} ended at its start with exit code ${seen?.exitCode ?? "unknown"}`,
    seen: log.trimEnd() || "it wrote nothing to its log",
    hint: "these are its last log lines; correct its command or environment",
  });
}
