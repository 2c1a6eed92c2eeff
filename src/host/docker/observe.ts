import type Docker from "dockerode";
import { printable } from "../../core/errors.ts";
import { dockerError, statusOf } from "./errors.ts";
import { DIGEST_LABEL } from "./spec.ts";

/** What is seen of a container. */
export interface ContainerSeen {
  id: string;
  /** The spec's digest it was made with; `undefined`: not made by us. */
  digest: string | undefined;
  running: boolean;
  /** Between a crash and the next try. */
  restarting: boolean;
  /** It ran and is over; one that was only created is not. */
  exited: boolean;
  exitCode: number;
  restarts: number;
  /** Docker's restart policy; "no" until it was healthy. */
  restartPolicy: string;
  imageId: string;
  /** Milliseconds since the epoch, by the host's clock. */
  sinceMs: number | undefined;
  /** Its address in Docker's network. */
  address: string | undefined;
}

/** The container of a name and the one that it took the place of, if an earlier run was cut short. */
export interface ContainersSeen {
  current: ContainerSeen | undefined;
  previous: ContainerSeen | undefined;
}

/** What the container before a swap is called until the new one is healthy. */
export function previousName(name: string): string {
  return `${name}-previous`;
}

/** Reads both, side by side. @throws CloreError `host.docker-failed` */
export async function observeContainer(docker: Docker, name: string): Promise<ContainersSeen> {
  const [current, previous] = await Promise.all([inspect(docker, name), inspect(docker, previousName(name))]);
  return { current, previous };
}

export async function inspect(docker: Docker, name: string): Promise<ContainerSeen | undefined> {
  try {
    const seen = await docker.getContainer(name).inspect();
    const started = Date.parse(seen.State.StartedAt);
    return {
      id: seen.Id,
      digest: seen.Config.Labels?.[DIGEST_LABEL],
      running: seen.State.Running && !seen.State.Restarting,
      restarting: seen.State.Restarting,
      exited: seen.State.Status === "exited",
      exitCode: seen.State.ExitCode,
      restarts: seen.RestartCount,
      restartPolicy: seen.HostConfig.RestartPolicy?.Name || "no",
      imageId: seen.Image,
      sinceMs: seen.State.Running && Number.isFinite(started) ? started : undefined,
      address: Object.values(seen.NetworkSettings.Networks ?? {})[0]?.IPAddress || undefined,
    };
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw dockerError(`container ${name}`, error);
  }
}

/** The last lines that a container wrote, stdout and stderr as they came, safe for a terminal. */
export async function containerLogs(docker: Docker, name: string, lines: number): Promise<string> {
  try {
    const raw = await docker.getContainer(name).logs({ stdout: true, stderr: true, tail: lines });
    return printable(demultiplex(Buffer.from(raw as unknown as Uint8Array)));
  } catch (error) {
    if (statusOf(error) === 404) return "";
    throw dockerError(`log of container ${name}`, error);
  }
}

/** Takes Docker's frames apart: 8 bytes (stream, 0, 0, 0, length), then the text. Rubbish is kept as text. */
export function demultiplex(raw: Buffer): string {
  const parts: Buffer[] = [];
  let at = 0;
  while (at + 8 <= raw.length && raw[at]! <= 2 && raw.readUInt32BE(at) % 0x1000000 === 0) {
    const end = Math.min(at + 8 + raw.readUInt32BE(at + 4), raw.length);
    parts.push(raw.subarray(at + 8, end));
    at = end;
  }
  parts.push(raw.subarray(at));
  return Buffer.concat(parts).toString("utf8");
}
