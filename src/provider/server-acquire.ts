import type { AcquireIo, AcquireRequest } from "../rental/acquire.ts";
import { type Choice, choose } from "../rental/choose.ts";
import { fingerprintOf, publicKeyOf } from "../ssh/keypair.ts";
import type { Call } from "./handler.ts";
import { stable } from "./rpc/values.ts";
import { defaultImage, type ServerInputs } from "./server-inputs.ts";
import { jobOf, offerRequestOf } from "./server-request.ts";
import type { ServerState } from "./server-state.ts";
import { runTrial } from "./server-trial.ts";

/** The offers for these inputs, best first. @throws CloreError `market.no-offer`, or what the API throws */
export function chooseFor(inputs: Partial<ServerInputs>, call: Call): Promise<Choice> {
  const { clore, orders, hosts, fees, reserved, hasKey, defaultLease, pollMs } = call.plugin;
  const want = { ...inputs, lease: inputs.lease ?? defaultLease };
  return choose(offerRequestOf(want), jobOf(want), {
    clore,
    orders,
    pollMs,
    log: call.log,
    signal: call.signal,
    hasKey,
    memory: hosts.read(),
    fees,
    taken: reserved,
    now: Date.now(),
  });
}

/** What this plugin process rents with. */
export function acquireIo(call: Call): AcquireIo {
  const { clore, ledger, orders, ssh, hosts, reserved, pollMs, claims, maxActivePricePerDayUsd } =
    call.plugin;
  return {
    maxActivePricePerDayUsd,
    clore,
    ledger,
    orders,
    ssh,
    hosts,
    reserved,
    claims,
    pollMs,
    account: call.plugin.account(),
    log: call.log,
    signal: call.signal,
  };
}

/** What is wanted, in the words of renting. A trial that this very server has passed is not asked for again. */
export function acquireRequest(
  want: ServerInputs,
  call: Call,
  known: ServerState | undefined,
): AcquireRequest {
  const { trial } = want;
  const hasPassed = known?.connection !== undefined && known.trialPassed === stable(trial);
  const publicKey = want.sshKey.publicKey ?? publicKeyOf(want.sshKey.privateKey);
  const ports = Object.fromEntries(
    Object.entries(want.ports ?? {}).map(([port, kind]) => [Number(port), kind]),
  );
  return {
    urn: call.urn,
    keyFingerprint: fingerprintOf(publicKey),
    publicKey,
    privateKey: want.sshKey.privateKey,
    image: want.image ?? defaultImage,
    autosshEntrypoint: want.autosshEntrypoint ?? false,
    env: want.env,
    command: want.command,
    ports: { 22: "tcp", ...ports },
    bidPricePerDayUsd: want.bidPricePerDay,
    acquireMinutes: want.acquireMinutes ?? 30,
    acquireCostUsd: want.maxAcquireCostUsd,
    bootMinutes: want.bootMinutes ?? 8,
    maxPricePerDayUsd: want.maxPricePerDay,
    promised: {
      gpuModel: want.gpu,
      gpuCount: want.gpuCount ?? (want.gpu === undefined ? undefined : 1),
      minVramGb: want.minVramGb,
      ramGb: want.minRamGb,
      diskGb: want.minDiskGb,
    },
    hostKey: known?.hostKey,
    trial:
      trial &&
      (async (live) => {
        if (!hasPassed || live.record.orderId !== known.orderId) await runTrial(trial, live, call);
      }),
  };
}
