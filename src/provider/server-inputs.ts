import { z } from "zod";
import { configuredCatalog } from "../catalog/load.ts";
import { currencies } from "../clore/types.ts";
import type { InputProblem } from "../core/errors.ts";
import { checkOfferRequest } from "../market/check.ts";
import type { PluginContext } from "./context.ts";
import { leaseHours, offerRequestOf } from "./server-request.ts";
import { trialInputs, trialRules } from "./server-trial.ts";

/** Known to start sshd and to take the order's key (docs/clore-api.md). */
export const defaultImage = "cloreai/jupyter:ubuntu24.04-v2";

const perDay = z
  .number({ error: "should be a number: USD per day" })
  .positive({ error: "should be more than 0: USD per day (24 h)" });
const atLeast = z.number({ error: "should be a number" }).min(0, { error: "should be 0 or more" });
const country = z.string({ error: "should be a country code such as DE" });

/** A Server's inputs as users write them; resources/server.ts has the meaning of each. */
export const serverInputs = z.strictObject({
  sshKey: z.strictObject({ publicKey: z.string().optional(), privateKey: z.string() }),
  address: z.string().min(1).optional(),
  port: z.int().min(1).max(65535).optional(),
  user: z
    .string()
    .regex(/^[a-z_][\w-]*$/i, { error: "should be a login name" })
    .optional(),
  hostKey: z
    .string()
    .regex(/^\S+ \S+/, { error: "should be a public host key: ssh-ed25519 AAAA…" })
    .optional(),
  gpu: z
    .union([z.string(), z.array(z.string())], {
      error: 'should be a GPU class such as "RTX 4090", or a list of them',
    })
    .optional(),
  gpuCount: z.int().min(0).max(64).optional(),
  minVramGb: atLeast.optional(),
  minRamGb: atLeast.optional(),
  minDiskGb: atLeast.optional(),
  minCpuCores: atLeast.optional(),
  minDownMbps: atLeast.optional(),
  loadGb: atLeast.optional(),
  minUpMbps: atLeast.optional(),
  minReliability: z.number().optional(),
  countries: z.array(country, { error: 'should be a list of country codes: ["DE", "NL"]' }).optional(),
  excludeCountries: z.array(country).optional(),
  excludeServers: z.array(z.int()).optional(),
  market: z.enum(["on-demand", "spot"], { error: "should be on-demand or spot" }).optional(),
  bidPricePerDay: perDay.optional(),
  maxPricePerDay: z.number({ error: "should be a number: USD per day" }).optional(),
  currency: z.enum(["auto", ...currencies], { error: `should be auto, ${currencies.join(", ")}` }).optional(),
  image: z
    .string()
    .regex(/^[\x21-\x7e]+$/, { error: "should be an image name without spaces" })
    .optional(),
  autosshEntrypoint: z.boolean().optional(),
  env: z
    .record(
      z.string().regex(/^[A-Za-z_]\w*$/, { error: "should be a name such as LOG_LEVEL" }),
      z.string({ error: "should be text" }).regex(/^[\x20-\x25\x27-\x7e\n\t]*$/, {
        error: "holds & or non-ASCII, which Clore.ai fails on: write a file over SSH instead",
      }),
    )
    .optional(),
  command: z.string().min(1).optional(),
  ports: z
    .record(
      z.string().regex(/^\d{1,5}$/, { error: "should be a port number" }),
      z.enum(["tcp", "http"], { error: "should be tcp or http" }),
    )
    .optional(),
  lease: z.string().optional(),
  acquireMinutes: z
    .number()
    .positive()
    .max(24 * 60)
    .optional(),
  maxAcquireCostUsd: z
    .number({ error: "should be a number: USD" })
    .positive({ error: "should be more than 0: USD" })
    .optional(),
  bootMinutes: z.number().positive().max(120).optional(),
  trial: trialInputs.optional(),
});
export type ServerInputs = z.infer<typeof serverInputs>;

/** Properties that only mean something when a server is rented. */
const rentedOnly = Object.keys(serverInputs.shape).filter(
  (key) => !["sshKey", "address", "port", "user", "hostKey"].includes(key),
);

/**
 * Rules between properties, and those that need the catalog.
 * @param unknown names of properties whose value is not known yet
 * @param plugin where the configured default lease stands; undefined: not asked for
 */
export function serverRules(
  inputs: Partial<ServerInputs>,
  unknown: readonly string[] = [],
  plugin?: Pick<PluginContext, "defaultLease">,
): InputProblem[] {
  if (inputs.address !== undefined) {
    return rentedOnly
      .filter((key) => inputs[key as keyof ServerInputs] !== undefined)
      .map((path) => ({
        path,
        problem: "means nothing for an existing host (address is given): leave one of the two out",
      }));
  }
  const problems: InputProblem[] = [];
  const mayBeHost = unknown.includes("address");
  const hasLease = inputs.lease !== undefined || unknown.includes("lease");
  if (plugin && plugin.defaultLease === undefined && !hasLease && !mayBeHost) {
    problems.push({
      path: "lease",
      problem:
        'a rented server bills until somebody ends it: write for how long it is meant, lease: "8h", or lease: "none"; for all servers of the stack: pulumi config set clore:lease 8h',
    });
  }
  for (const path of ["port", "user", "hostKey"] as const) {
    if (inputs[path] !== undefined)
      problems.push({ path, problem: "belongs to an existing host: give its address too" });
  }
  const http = Object.entries(inputs.ports ?? {}).filter(([, kind]) => kind === "http");
  if (http.length > 1) {
    problems.push({
      path: "ports",
      problem: `has ${http.length} http ports; an order can have one: make the others tcp`,
    });
  }
  for (const port of Object.keys(inputs.ports ?? {})) {
    if (Number(port) < 1 || Number(port) > 65535)
      problems.push({ path: `ports["${port}"]`, problem: "should be 1 to 65535" });
  }
  if (inputs.ports?.["22"] === "http")
    problems.push({ path: 'ports["22"]', problem: "is SSH: tcp, or leave it out" });
  if (inputs.lease !== undefined && inputs.lease !== "none" && leaseHours(inputs.lease) === undefined) {
    problems.push({ path: "lease", problem: 'should be a duration such as "90m", "8h" or "3d", or "none"' });
  }
  problems.push(...trialRules(inputs.trial));
  const ofMarket = checkOfferRequest(offerRequestOf(inputs), configuredCatalog());
  return [...problems, ...ofMarket.map(({ path, problem }) => ({ path: inputName(path), problem }))];
}

/** The market's names of two properties differ from the resource's. */
function inputName(path: string): string {
  return path.replace(/^leaseHours/, "lease").replace(/^excludeServerIds/, "excludeServers");
}
