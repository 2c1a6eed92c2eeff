import { gpuMatcher, gpuNames } from "../catalog/gpus.ts";
import { configuredCatalog } from "../catalog/load.ts";
import type { Change } from "./handler.ts";
import { stable } from "./rpc/values.ts";
import { defaultImage, type ServerInputs } from "./server-inputs.ts";
import type { OfferedServer } from "./server-offered.ts";
import type { ServerState } from "./server-state.ts";
import { sameKey } from "./server-state.ts";

/** Whether the running server satisfies a changed limit: only then is it kept. */
const satisfied: Readonly<
  Partial<Record<keyof ServerInputs, (offered: OfferedServer, want: ServerInputs) => boolean>>
> = {
  gpu: (o, want) => want.gpu === undefined || (o.gpu !== undefined && isOneOf(want.gpu, o.gpu)),
  gpuCount: (o, want) => o.gpuCount === (want.gpuCount ?? o.gpuCount),
  minVramGb: (o, want) => o.vramGbPerGpu >= (want.minVramGb ?? 0),
  minRamGb: (o, want) => o.ramGb >= (want.minRamGb ?? 0),
  minDiskGb: (o, want) => o.diskGb >= (want.minDiskGb ?? 0),
  minCpuCores: (o, want) => o.cpuCores >= (want.minCpuCores ?? 0),
  minDownMbps: (o, want) => o.downMbps >= (want.minDownMbps ?? 0),
  minUpMbps: (o, want) => o.upMbps >= (want.minUpMbps ?? 0),
  minReliability: (o, want) => o.reliability >= (want.minReliability ?? 0),
  countries: (o, want) => want.countries === undefined || names(want.countries, o.country),
  excludeCountries: (o, want) => !names(want.excludeCountries ?? [], o.country),
  excludeServers: (o, want) => !(want.excludeServers ?? []).includes(o.serverId),
  currency: (o, want) =>
    want.currency === undefined || want.currency === "auto" || want.currency === o.currency,
  market: (o, want) => o.market === (want.market ?? "on-demand"),
};

/** As offers are filtered: an alias is the same class. */
function isOneOf(wanted: string | readonly string[], gpu: string): boolean {
  const classOf = gpuMatcher(configuredCatalog());
  return gpuNames(wanted).some((name) => classOf(name) === classOf(gpu));
}

/** Codes may be written in small letters. */
function names(codes: readonly string[], country: string | undefined): boolean {
  return codes.some((code) => code.toUpperCase() === country);
}

/** What is meant where nothing is said: saying it, or no longer saying it, is no difference. */
const defaults: Partial<ServerInputs> = {
  image: defaultImage,
  market: "on-demand",
  currency: "auto",
  autosshEntrypoint: false,
  env: {},
  ports: {},
};

/** Properties that never touch a running server. */
const neverReplaces = new Set([
  "maxPricePerDay",
  "bidPricePerDay",
  "lease",
  "loadGb",
  "acquireMinutes",
  "maxAcquireCostUsd",
  "bootMinutes",
  "trial",
]);

const notEchoed = new Set(["autosshEntrypoint", "env", "command"]);

/**
 * What differs, and what each difference forces. Limits are compared with what the running server is, so that a
 * stricter limit that it satisfies costs nothing. Pure.
 */
export function serverChanges(
  recorded: Partial<ServerInputs>,
  state: Partial<ServerState>,
  want: ServerInputs,
): Change[] {
  const changes: Change[] = [];
  for (const path of new Set([...Object.keys(recorded), ...Object.keys(want)]) as Set<keyof ServerInputs>) {
    const [before, after] = [recorded[path] ?? defaults[path], want[path] ?? defaults[path]];
    if (sameKey(path, recorded, want) || stable(before) === stable(after)) continue;
    changes.push({ path, kind: kindOf(path, recorded, state, want) });
  }
  if (state.reachable === false) changes.push({ path: "reachable", kind: "update", drift: true });
  return changes;
}

function kindOf(
  path: keyof ServerInputs,
  recorded: Partial<ServerInputs>,
  state: Partial<ServerState>,
  want: ServerInputs,
): Change["kind"] {
  if (neverReplaces.has(path)) return "update";
  // An existing host can be given another key; a rented one was ordered with it, and an imported one shows no key.
  if (path === "sshKey") return state.kind === "existing" || !recorded.sshKey ? "update" : "replace";
  // Nor are these echoed: what an imported order was made with cannot be known.
  if (!recorded.sshKey && notEchoed.has(path)) return "update";
  const check = satisfied[path];
  return check && state.offered && check(state.offered, want) ? "update" : "replace";
}
