import { fitModel } from "../catalog/fit.ts";
import { findGpu } from "../catalog/gpus.ts";
import { configuredCatalog } from "../catalog/load.ts";
import { findModel, nearestModels } from "../catalog/models.ts";
import type { Catalog, Model } from "../catalog/schema.ts";
import { expectedSpeed } from "../catalog/speed.ts";
import { vramNeeded } from "../catalog/vram.ts";
import { CloreError } from "../core/errors.ts";
import { parseHours } from "../cost/duration.ts";
import { readFacts } from "../host/facts.ts";
import { OllamaClient } from "../host/ollama/client.ts";
import { ensureModel } from "../host/ollama/ensure.ts";
import { formatBytes } from "../host/ollama/progress.ts";
import { modelReference } from "../host/ollama/reference.ts";
import type { HostFacts } from "../host/types.ts";
import type { SshConnection } from "../ssh/types.ts";
import { type ConnectionInputs, connectionSchema, removeFrom, sameMachine } from "./connection.ts";
import { type Call, type Change, type Handler, inputChanges } from "./handler.ts";
import { type ModelInputs, modelInputs, modelRules } from "./model-inputs.ts";
import { InitFailure } from "./rpc/failures.ts";
import { stable } from "./rpc/values.ts";

type Status = "ready" | "changed" | "not-answering" | "unknown" | "unfinished";
export type ModelState = {
  model: string;
  digest?: string;
  sizeBytes?: number;
  vramShare?: number;
  tokensPerSecond?: number;
  firstAnswer?: string;
  status: Status;
};

/** Pulling begins where an earlier try stopped, so a changed limit or a wish for one digest is no replacement. */
const replacing = new Set<string>(["tag", "connection", "port"]);

/** A model that an Ollama on a server has, and that answered. */
export const model: Handler<ModelInputs, ModelState> = {
  inputs: modelInputs,
  rules: modelRules,
  secretOutputs: [],
  // The same tag on the same server is one thing: made first, the old one's removal would take it away again.
  deleteBeforeReplace: true,

  changes({ inputs, state }, want) {
    const changes: Change[] = inputChanges(
      inputs,
      want,
      (path) => (path === "maxTimeToReady" ? "ignore" : replacing.has(path) ? "replace" : "update"),
      (a, b) => stable(a) === stable(b) || bothSameMachine(a, b),
    );
    if (state.status !== "ready") changes.push({ path: "status", kind: "update", drift: true });
    return changes;
  },

  async preview(want, call) {
    const known = want.tag === undefined ? undefined : findModel(want.tag, configuredCatalog());
    if (known && known.runtime !== "api")
      call.log.status(`would pull ${known.tag}, ${formatBytes(known.downloadBytes)}`);
    return {};
  },

  async create(want, call) {
    const { tag } = modelReference(want.tag, want.registry);
    return { id: tag, state: await keptOnFailure(want, undefined, call) };
  },

  update: (_id, want, known, call) => keptOnFailure(want, known, call),

  async read(id, known, inputs, call) {
    if (!known || !inputs) return undefined;
    const state = await look(inputs, known, call);
    return state && { id, inputs, state };
  },

  async remove(id, known, call) {
    const recorded = known as ModelState & ModelInputs;
    await removeFrom(recorded.connection, call, async (ssh) => {
      try {
        await new OllamaClient(ssh, recorded.port, call.signal).remove(id);
      } catch (error) {
        const isDead = error instanceof CloreError && error.code === "ollama.not-answering";
        if (!isDead || recorded.connection.orderId === undefined) throw error;
        // A dead Ollama must not stand in the way of replacing the server that it is on.
        call.log.warn(`${id} is left on its server, where Ollama is dead: it goes when that is given back`);
      }
    });
  },
};

/** What went wrong after a pull is no reason to forget the model: the state keeps it, and the next up goes on. */
async function keptOnFailure(
  want: ModelInputs,
  known: ModelState | undefined,
  call: Call,
): Promise<ModelState> {
  try {
    return await ensureModelOn(want, known, call);
  } catch (error) {
    const serverId = rentedServer(want.connection, call);
    if (serverId !== undefined && isTooWeak(error)) call.plugin.hosts.failed(serverId, error.code);
    if (!leavesSomething(error, call)) throw error;
    const { tag } = modelReference(want.tag, want.registry);
    throw new InitFailure(tag, { ...want, ...known, model: tag, status: "unfinished" }, error);
  }
}

/** What another host may do better. */
export function isTooWeak(error: unknown): error is CloreError {
  const codes = ["model.too-slow", "model.spilled", "model.too-slow-line", "model.no-space"];
  return error instanceof CloreError && codes.includes(error.code);
}

/** Pulls, loads, asks and measures. @throws CloreError `model.*`, `ollama.*`, `ssh.*` */
export async function ensureModelOn(
  want: ModelInputs,
  known: ModelState | undefined,
  call: Call,
): Promise<ModelState> {
  const reference = modelReference(want.tag, want.registry);
  const catalog = configuredCatalog();
  const inCatalog = findModel(want.tag, catalog);
  await using ssh = await connectTo(want.connection, call, 60_000);
  const facts = await readFacts(ssh, { signal: call.signal });
  const floor = floorFor(want, inCatalog, facts, catalog);
  if (inCatalog) refuseMisfit(want, inCatalog, facts, floor.minVramShare, catalog);
  const serverId = rentedServer(want.connection, call);
  const ready = await ensureModel(
    ssh,
    {
      reference,
      port: want.port,
      digest: want.digest,
      knownDigest: known?.digest,
      contextTokens: want.contextLength,
      maxTimeToReadyMs: (parseHours(want.maxTimeToReady) ?? 1) * 3_600_000,
      catalog: {
        downloadBytes: inCatalog && inCatalog.runtime !== "api" ? inCatalog.downloadBytes : undefined,
        nearest: nearestModels(want.tag, catalog),
      },
      ...floor,
    },
    {
      log: call.log,
      signal: call.signal,
      onSpeed: (mbps) => serverId !== undefined && call.plugin.hosts.measured(serverId, mbps),
    },
  );
  const where = facts.gpus.length > 0 ? `, ${Math.round(ready.vramShare * 100)} % in VRAM` : "";
  call.log.info(`${reference.tag} answers at ${ready.tokensPerSecond} tok/s${where}`);
  return { model: reference.tag, ...ready, status: "ready" };
}

/** The marketplace's server behind a connection; undefined where this machine has not rented it. */
function rentedServer({ orderId }: ConnectionInputs, call: Call): number | undefined {
  if (orderId === undefined) return undefined;
  return call.plugin.ledger.entries().find((entry) => entry.orderId === orderId)?.serverId;
}

/** A pull that was begun leaves data on the server, which `destroy` has to remove. */
function leavesSomething(error: unknown, call: Call): boolean {
  if (call.signal.aborted) return true;
  return (
    error instanceof CloreError &&
    error.code.startsWith("model.") &&
    !["model.unknown-tag", "model.no-space", "model.does-not-fit", "model.wrong-digest"].includes(error.code)
  );
}

/** One look at the list of models. It was measured when it was made: refresh does not wake it. */
async function look(inputs: ModelInputs, known: ModelState, call: Call): Promise<ModelState | undefined> {
  try {
    await using ssh = await connectTo(inputs.connection, call, 20_000);
    const installed = await new OllamaClient(ssh, inputs.port, call.signal).installed();
    const { tag } = modelReference(inputs.tag, inputs.registry);
    const there = installed.find((one) => one.tag === tag);
    if (!there) {
      call.log.warn(`${tag} is not on the server any more: the next up pulls it`);
      return undefined;
    }
    if (known.status === "unfinished") return known;
    if (there.digest === known.digest) return { ...known, status: "ready" };
    call.log.warn(`${tag} is another model than it was: ${there.digest}`);
    return { ...known, status: "changed" };
  } catch (error) {
    call.signal.throwIfAborted();
    if (!(error instanceof CloreError)) throw error;
    call.log.warn(`${error.code}: ${error.message}`);
    return { ...known, status: error.code === "ollama.not-answering" ? "not-answering" : "unknown" };
  }
}

/** The limits that were asked for, else those that follow from the host's GPU. Pure. */
export function floorFor(
  want: Pick<ModelInputs, "minVramShare" | "minTokensPerSecond">,
  inCatalog: Model | undefined,
  facts: Pick<HostFacts, "gpus">,
  catalog: Catalog,
): { minVramShare: number | undefined; minTokensPerSecond: number | undefined } {
  const [first] = facts.gpus;
  const gpu = first && findGpu(first.name, catalog);
  const expected = inCatalog && gpu && expectedSpeed(inCatalog, gpu, first.vramGb);
  return {
    minVramShare: want.minVramShare ?? (first ? 1 : undefined),
    minTokensPerSecond: want.minTokensPerSecond ?? (expected && expected.tokensPerSecond / 2),
  };
}

/**
 * Refuses what the host's GPUs cannot hold, before anything is pulled. Pure.
 * @throws CloreError `model.does-not-fit`
 */
export function refuseMisfit(
  want: Pick<ModelInputs, "contextLength" | "parallel">,
  inCatalog: Model,
  facts: Pick<HostFacts, "gpus">,
  minVramShare: number | undefined,
  catalog: Catalog,
): void {
  const [first] = facts.gpus;
  if (!first || !minVramShare) return;
  const options = { contextTokens: want.contextLength, parallel: want.parallel };
  const neededGb = vramNeeded(inCatalog, options).totalGb;
  const thereGb = facts.gpus.reduce((sum, { vramGb }) => sum + vramGb, 0);
  if (neededGb * minVramShare <= thereGb) return;
  const classes = findGpu(first.name, catalog)
    ? fitModel(inCatalog, { gpu: first.name }, catalog, options).fittingClasses
    : [];
  throw new CloreError("model.does-not-fit", {
    message: `${inCatalog.tag} needs ${neededGb.toFixed(1)} GB of VRAM and the host has ${thereGb.toFixed(1)} GB: ${(neededGb * minVramShare - thereGb).toFixed(1)} GB are missing`,
    seen: facts.gpus.map(({ name }) => name).join(", "),
    hint: `${classes.length > 0 ? `classes that hold it: ${classes.slice(0, 5).join(", ")}; or take` : "take"} a smaller model, contextLength or parallel, or allow it with minVramShare`,
  });
}

function bothSameMachine(a: unknown, b: unknown): boolean {
  const [one, other] = [connectionSchema.safeParse(a), connectionSchema.safeParse(b)];
  return one.success && other.success && sameMachine(one.data, other.data);
}

function connectTo(connection: ConnectionInputs, call: Call, deadlineMs: number): Promise<SshConnection> {
  return call.plugin.ssh.acquire(connection, { deadlineMs, signal: call.signal });
}
