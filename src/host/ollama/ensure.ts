import { type Clock, systemClock } from "../../core/clock.ts";
import { CloreError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { until } from "../../core/until.ts";
import type { SshConnection } from "../../ssh/types.ts";
import { OLLAMA_PORT, OllamaClient } from "./client.ts";
import { decideData, wrongDigest } from "./decide.ts";
import { readDisk } from "./disk.ts";
import { type RegistryModel, readManifest } from "./manifest.ts";
import { type Floor, judge, type Measured, measure } from "./measure.ts";
import { oneAtATime } from "./one-at-a-time.ts";
import { formatBytes } from "./progress.ts";
import { pullModel, unknownTag } from "./pull.ts";
import type { ModelReference } from "./reference.ts";

/** A model as it is wanted on a server. */
export interface ModelSpec extends Floor {
  reference: ModelReference;
  /** Ollama's port on the host's loopback. @default 11434 */
  port?: number;
  /** `sha256:…`; another one is an error. */
  digest?: string;
  /** What it was when it was last verified. */
  knownDigest?: string;
  /** Tokens of context that it is loaded with. @default the server's own */
  contextTokens?: number;
  /** From the call to the first answer, in milliseconds. */
  maxTimeToReadyMs: number;
  /** What the catalog says: its download, and what is called like it. */
  catalog?: { downloadBytes?: number; nearest?: readonly string[] };
}

/** A model that was pulled, loaded and asked. */
export interface ReadyModel extends Measured {
  digest: string;
  sizeBytes: number;
}

export interface ModelIo {
  log: Log;
  signal: AbortSignal;
  clock?: Clock;
  /** See `pullModel`. */
  stallMs?: number;
  judgeAfterMs?: number;
  onSpeed?: (mbps: number) => void;
}

/** How long a server that was just started may take to answer. */
const answerLimitMs = 60_000;

/**
 * Makes a model be there, answer and keep its limits: observe, decide, act, verify. Going on after an interruption is
 * the same call: parts that are there are not pulled again.
 * @throws CloreError `ollama.not-answering`, `model.*`
 */
export async function ensureModel(ssh: SshConnection, spec: ModelSpec, io: ModelIo): Promise<ReadyModel> {
  const clock = io.clock ?? systemClock;
  const start = clock.now();
  const { reference, port = OLLAMA_PORT } = spec;
  const client = new OllamaClient(ssh, port, io.signal);
  await answering(client, io);
  const [installed, disk, asked] = await Promise.all([
    client.installed(),
    readDisk(ssh, io.signal),
    askRegistry(ssh, spec, io),
  ]);
  const registry = asked === "no such tag" ? undefined : asked;
  const plan = decideData(
    { tag: reference.tag, digest: spec.digest, knownDigest: spec.knownDigest },
    { installed, registry, ...disk, catalogBytes: spec.catalog?.downloadBytes },
  );
  if (plan.pull) {
    if (asked === "no such tag")
      throw unknownTag(reference, "its registry answered 404", spec.catalog?.nearest);
    io.log.info(
      `${reference.tag}: pulling${registry ? ` ${formatBytes(registry.sizeBytes)}` : ""} from ${new URL(reference.registry).host}, ${plan.because}`,
    );
    const expectedBytes = registry?.sizeBytes ?? spec.catalog?.downloadBytes;
    const limitMs = spec.maxTimeToReadyMs - (clock.now() - start);
    await pullModel(client, reference, { ...io, expectedBytes, limitMs });
    await underItsTag(client, reference);
  }
  const there = (await client.installed()).find(({ tag }) => tag === reference.tag);
  if (!there) {
    throw new CloreError("model.pull-failed", {
      message: `${reference.tag} is not on the server after it was pulled`,
      retry: "later",
    });
  }
  if (spec.digest !== undefined && there.digest !== spec.digest)
    throw wrongDigest(reference.tag, spec.digest, `the server has ${there.digest}`);
  const { hostKey } = ssh;
  // Two models measured at once would measure each other.
  const measured = await oneAtATime(`measure ${hostKey} ${port}`, () =>
    measure(client, {
      tag: reference.tag,
      contextTokens: spec.contextTokens,
      loadTimeoutMs: Math.max(60_000, spec.maxTimeToReadyMs - (clock.now() - start)),
      log: io.log,
    }),
  );
  judge(reference.tag, there.sizeBytes, measured, spec);
  io.log.status(`${reference.tag}: ${measured.tokensPerSecond} tok/s`);
  return { digest: there.digest, sizeBytes: there.sizeBytes, ...measured };
}

async function answering(client: OllamaClient, io: ModelIo): Promise<void> {
  const look = async () => {
    try {
      return { done: true as const, value: await client.version() };
    } catch (error) {
      if (!(error instanceof CloreError) || error.code !== "ollama.not-answering") throw error;
      return { done: false as const, seen: error.seen ?? error.message };
    }
  };
  await until(look, {
    what: "Ollama on the host",
    deadlineMs: answerLimitMs,
    everyMs: 1000,
    signal: io.signal,
    clock: io.clock,
    code: "ollama.not-answering",
    hint: "look at the log of its service on the host; where it is the order's own image (mode image), nobody else starts it: replace the server (pulumi up --replace <urn>)",
    onLook: (seen) => io.log.status(`waiting for Ollama: ${seen}`),
  });
}

/** Size and digest before anything is pulled. A registry that cannot be asked by us may still be open to Ollama. */
async function askRegistry(
  ssh: SshConnection,
  spec: ModelSpec,
  io: ModelIo,
): Promise<RegistryModel | "no such tag" | undefined> {
  const { reference } = spec;
  try {
    return (await readManifest(ssh, reference, { timeoutMs: 15_000, signal: io.signal })) ?? "no such tag";
  } catch (error) {
    if (!(error instanceof CloreError)) throw error;
    io.log.debug(`${error.code}: ${error.message}: ${error.seen}`);
    return undefined;
  }
}

/** A model from another registry is called by its whole address; people and programs ask for the tag. */
async function underItsTag(client: OllamaClient, reference: ModelReference): Promise<void> {
  if (reference.pullName === reference.tag) return;
  await client.copy(reference.pullName, reference.tag);
  await client.remove(reference.pullName);
}
