import { CloreError } from "../../core/errors.ts";
import { type Log, silentLog } from "../../core/log.ts";
import { awaitContainer } from "./check.ts";
import type { DockerHost } from "./client.ts";
import { dockerError, statusOf } from "./errors.ts";
import { ensureImage, type ResolvedImage } from "./image.ts";
import { type ContainerSeen, inspect, observeContainer, previousName } from "./observe.ts";
import { type ContainerPlan, planContainer } from "./plan.ts";
import { builtAs, type ContainerSpec, createOptions, imageReference, restartPolicy } from "./spec.ts";

interface Io {
  signal?: AbortSignal;
  log?: Log;
}

/** A container as it runs, and the image that it really has. */
export interface ContainerState extends ContainerSeen {
  /** Digest by which the registry knows its image; none when it was built or loaded. */
  imageDigest: string | undefined;
}

/**
 * Makes a container run as wanted and healthy: observe, plan, act, verify. Twice changes nothing the second time.
 * A changed one takes the place of the one before, which is started again when the new one fails.
 * @throws CloreError `host.container-crashed`, `host.container-unhealthy`, `host.image-*`, `host.port-taken`,
 * `host.name-taken`, `host.disk-full`, `host.docker-failed`; InputError
 */
export async function ensureContainer(
  host: DockerHost,
  spec: ContainerSpec,
  io: Io = {},
): Promise<ContainerState> {
  const plan = planContainer(spec, await observeContainer(host.docker, spec.name));
  await applyContainer(host, plan, io);
  const seen = await inspect(host.docker, spec.name);
  if (!seen)
    throw new CloreError("host.container-crashed", {
      message: `container ${spec.name} vanished after its start`,
    });
  const image = await host.docker.getImage(seen.imageId).inspect();
  return { ...seen, imageDigest: image.RepoDigests?.[0] };
}

/** Does what a plan says. @throws as {@link ensureContainer} */
export async function applyContainer(host: DockerHost, plan: ContainerPlan, io: Io = {}): Promise<void> {
  const { spec } = plan;
  const { docker } = host;
  const log = io.log ?? silentLog;
  const previous = docker.getContainer(previousName(spec.name));
  let image: ResolvedImage | undefined;
  try {
    for (const step of plan.steps) {
      io.signal?.throwIfAborted();
      log.status(`container ${spec.name}: ${step}, ${plan.because}`);
      if (step === "image") image = await ensureImage(docker, spec, { log, signal: io.signal });
      else if (step === "clear") await removeIfThere(host, spec.name);
      else if (step === "create") await create(host, spec);
      else if (step === "start") await startIfStopped(host, spec.name);
      else if (step === "check") await check(host, spec, io.signal);
      else if (step === "prune") await removeIfThere(host, previousName(spec.name));
      else {
        await stopContainer(host, spec.name, spec.stopTimeoutSeconds);
        await docker.getContainer(spec.name).rename({ name: previousName(spec.name) });
        await create(host, spec);
      }
    }
    if (image) await removeBuiltImages(host, spec.name, imageReference(spec));
  } catch (error) {
    const swapped = (await inspect(docker, previousName(spec.name)).catch(() => undefined)) !== undefined;
    // An abort leaves both: the next run sees where this one stopped. A missing image changed nothing.
    if (io.signal?.aborted || (plan.steps.includes("image") && !image)) throw error;
    const fault = dockerError(`container ${spec.name}`, error);
    if (!swapped) {
      // Nothing to go back to. What never came up must not go on crashing; one that was only stopped goes on.
      if (!plan.steps.includes("swap"))
        await stopContainer(host, spec.name, spec.stopTimeoutSeconds).catch(() => {});
      else await startIfStopped(host, spec.name).catch(() => {});
      throw fault;
    }
    throw await goBack(fault);
  }

  async function goBack(fault: CloreError): Promise<CloreError> {
    const outcome = await (async () => {
      await removeIfThere(host, spec.name);
      await previous.rename({ name: spec.name });
      await startIfStopped(host, spec.name);
      return "the one before it runs again";
    })().catch((error) => `the one before it could not be started again: ${error.message}`);
    const { seen, hint, retry } = fault;
    return new CloreError(fault.code, {
      message: `${fault.message}; ${outcome}`,
      seen,
      hint,
      retry,
      cause: fault,
    });
  }
}

async function create(host: DockerHost, spec: ContainerSpec): Promise<void> {
  await host.docker.createContainer({ name: spec.name, ...createOptions(spec) });
  await startIfStopped(host, spec.name);
}

async function check(host: DockerHost, spec: ContainerSpec, signal: AbortSignal | undefined): Promise<void> {
  await awaitContainer(host, spec, signal);
  await host.docker.getContainer(spec.name).update({ RestartPolicy: { Name: restartPolicy(spec) } });
}

async function startIfStopped({ docker }: DockerHost, name: string): Promise<void> {
  await tolerate(304, () => docker.getContainer(name).start());
}

/** Stops a container; one that is stopped or not there is fine. `timeoutSeconds`: from TERM to KILL. */
export async function stopContainer(
  { docker }: DockerHost,
  name: string,
  timeoutSeconds = 10,
): Promise<void> {
  await tolerate(304, () => tolerate(404, () => docker.getContainer(name).stop({ t: timeoutSeconds })));
}

/** Stops and removes a container of ours and what an earlier run left of it; its volumes stay. "Not there" is success. */
export async function removeContainer(host: DockerHost, name: string, timeoutSeconds = 10): Promise<void> {
  const { current, previous } = await observeContainer(host.docker, name);
  if (current?.digest !== undefined) {
    await stopContainer(host, name, timeoutSeconds);
    await removeIfThere(host, name);
  }
  if (previous?.digest !== undefined) await removeIfThere(host, previousName(name));
  await removeBuiltImages(host, name);
}

/** Images that were built here for this name, all but the one to keep. What another container uses stays. */
async function removeBuiltImages({ docker }: DockerHost, name: string, keep?: string): Promise<void> {
  const images = await docker.listImages({ filters: JSON.stringify({ reference: [builtAs(name)] }) });
  for (const tag of images.flatMap((image) => image.RepoTags ?? [])) {
    if (tag !== keep) await tolerate(409, () => tolerate(404, () => docker.getImage(tag).remove()));
  }
}

async function removeIfThere({ docker }: DockerHost, name: string): Promise<void> {
  await tolerate(404, () => docker.getContainer(name).remove({ force: true }));
}

async function tolerate(status: number, act: () => Promise<unknown>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (statusOf(error) !== status) throw error;
  }
}
