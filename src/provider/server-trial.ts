import { z } from "zod";
import { CloreError, type InputProblem } from "../core/errors.ts";
import type { LiveServer } from "../rental/bring-up.ts";
import { connectionOf } from "./connection.ts";
import type { Call } from "./handler.ts";
import { ensureModelOn, isTooWeak } from "./model.ts";
import { modelInputs, modelRules } from "./model-inputs.ts";
import { ensureServiceOn } from "./service.ts";
import { serviceInputs, serviceRules } from "./service-inputs.ts";

/** What a rented server must prove before it is kept: the inputs of Services and Models, without a connection. */
export const trialInputs = z.strictObject({
  services: z.array(serviceInputs.omit({ connection: true })).default([]),
  models: z.array(modelInputs.omit({ connection: true })).default([]),
});
export type TrialInputs = z.infer<typeof trialInputs>;

/** The same rules as those of the resources that the trial does the work of. */
export function trialRules(trial: Partial<TrialInputs> | undefined): InputProblem[] {
  const under = (path: string) => (one: InputProblem) => ({ ...one, path: `trial.${path}.${one.path}` });
  return [
    ...(trial?.services ?? []).flatMap((one, i) => serviceRules(one).map(under(`services[${i}]`))),
    ...(trial?.models ?? []).flatMap((one, i) => modelRules(one).map(under(`models[${i}]`))),
  ];
}

/**
 * Sets up what the program will ask of the server anyway, so that a host that is too slow for it is found out while
 * another can still be taken. What is done here is there when Service and Model come to it.
 * @throws CloreError `host.too-weak` where another host may do better; otherwise what Service and Model throw
 */
export async function runTrial(trial: TrialInputs, live: LiveServer, call: Call): Promise<void> {
  const connection = connectionOf(live);
  try {
    for (const one of trial.services) await ensureServiceOn({ ...one, connection }, undefined, call);
    for (const one of trial.models) await ensureModelOn({ ...one, connection }, undefined, call);
  } catch (error) {
    if (!isTooWeak(error)) throw error;
    throw new CloreError("host.too-weak", {
      message: `${error.code}: ${error.message}`,
      seen: error.seen,
      hint: error.hint,
      retry: "later",
      cause: error,
    });
  }
}
