import { Readable } from "node:stream";
import type Docker from "dockerode";
import { pack } from "tar-stream";
import { CloreError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { dockerError, statusOf } from "./errors.ts";
import { type ContainerSpec, type ImageBuild, imageReference } from "./spec.ts";

/** An image as it is on the host. */
export interface ResolvedImage {
  id: string;
  /** `name@sha256:…` as its registry knows it; none for an image that was built or loaded. */
  digest: string | undefined;
}

interface Event {
  status?: string;
  id?: string;
  stream?: string;
  error?: string;
  progressDetail?: { current?: number; total?: number };
}

/**
 * Makes sure that the image of a spec is on the host: pulls or builds it only when it is not there.
 * @throws CloreError `host.image-not-found`, `host.image-pull-failed`, `host.image-build-failed`, `host.disk-full`
 */
export async function ensureImage(
  docker: Docker,
  spec: ContainerSpec,
  io: { log: Log; signal?: AbortSignal },
): Promise<ResolvedImage> {
  const reference = imageReference(spec);
  const there = await resolveImage(docker, reference);
  if (there) return there;
  if (typeof spec.image === "string") await pull(docker, reference, io);
  else await build(docker, reference, spec.image, io);
  const made = await resolveImage(docker, reference);
  if (made) return made;
  throw new CloreError("host.image-not-found", {
    message: `image ${reference} is not on the host after it was made`,
  });
}

async function resolveImage(docker: Docker, reference: string): Promise<ResolvedImage | undefined> {
  try {
    const { Id, RepoDigests } = await docker.getImage(reference).inspect();
    return { id: Id, digest: RepoDigests?.[0] };
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw dockerError(`image ${reference}`, error);
  }
}

async function pull(
  docker: Docker,
  reference: string,
  io: { log: Log; signal?: AbortSignal },
): Promise<void> {
  const what = `pulling ${reference}`;
  const progress = new PullProgress();
  try {
    const stream = await docker.pull(reference, { abortSignal: io.signal });
    await follow(docker, stream, io.signal, (event) => io.log.status(`${what}${progress.add(event)}`));
  } catch (error) {
    io.signal?.throwIfAborted();
    const missing =
      statusOf(error) === 404 || /manifest unknown|not found|pull access denied/i.test(String(error));
    throw dockerError(what, error, missing ? "host.image-not-found" : "host.image-pull-failed");
  }
}

async function build(
  docker: Docker,
  reference: string,
  { files, dockerfile = "Dockerfile", args }: ImageBuild,
  io: { log: Log; signal?: AbortSignal },
): Promise<void> {
  const what = `building ${reference}`;
  const lines: string[] = [];
  const context = pack();
  for (const { path, content, mode } of files)
    context.entry({ name: path, mode: mode ?? 0o644 }, Buffer.from(content));
  context.finalize();
  try {
    const options = {
      t: reference,
      dockerfile,
      buildargs: { ...args },
      forcerm: true,
      abortSignal: io.signal,
    };
    const stream = await docker.buildImage(Readable.from(context), options);
    await follow(docker, stream, io.signal, (event) => {
      if (event.stream?.trim()) lines.push(event.stream.trimEnd());
      io.log.status(`${what}: ${lines.at(-1) ?? ""}`.slice(0, 200));
    });
  } catch (error) {
    io.signal?.throwIfAborted();
    throw dockerError(what, error, "host.image-build-failed", lines);
  }
}

/** Reads a stream of events to its end; an event that tells an error is one, though the status was 200. */
function follow(
  docker: Docker,
  stream: NodeJS.ReadableStream,
  signal: AbortSignal | undefined,
  onEvent: (event: Event) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      (stream as Readable).destroy();
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", abort, { once: true });
    let told: Error | undefined;
    const finished = (error: Error | null) => {
      signal?.removeEventListener("abort", abort);
      if (error ?? told) reject(error ?? told);
      else resolve();
    };
    docker.modem.followProgress(stream, finished, (event: Event) => {
      if (event.error !== undefined) told = new Error(event.error);
      else onEvent(event);
    });
  });
}

/** Sums up the layers of a pull: ` 43 % of 1.2 GB`. The total grows as layers are found. */
export class PullProgress {
  readonly #layers = new Map<string, { current: number; total: number }>();

  add({ id, status, progressDetail }: Event): string {
    if (id !== undefined && status === "Downloading" && progressDetail?.total) {
      this.#layers.set(id, { current: progressDetail.current ?? 0, total: progressDetail.total });
    }
    const done = this.#layers.get(id ?? "");
    if (done && /^(Download complete|Pull complete|Extracting)/.test(status ?? "")) done.current = done.total;
    let current = 0;
    let total = 0;
    for (const layer of this.#layers.values()) {
      current += layer.current;
      total += layer.total;
    }
    return total === 0 ? "" : ` ${Math.floor((current / total) * 100)} % of ${(total / 1e9).toFixed(2)} GB`;
  }
}
