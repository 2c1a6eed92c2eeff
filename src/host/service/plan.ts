import type { RemoteFile } from "../../ssh/types.ts";
import type { Supervisor } from "../supervisor.ts";
import type { ServiceSeen } from "./observe.ts";
import { renderRelease, type ServiceSpec } from "./spec.ts";

/** What has to be done so that a service runs as wanted. Data: it can be shown, compared and tested. */
export interface ServicePlan {
  steps: readonly ("write" | "start" | "restart" | "check")[];
  /** Why, for people. */
  because: string;
  spec: ServiceSpec;
  supervisor: Supervisor;
  digest: string;
  files: readonly RemoteFile[];
}

/**
 * Compares what is wanted with what was seen. Pure. No steps: it runs as wanted, or it has finished as it should
 * (`restart: "no"` or `"on-failure"`, exit 0).
 * @throws InputError when the spec itself is wrong
 */
export function planService(want: ServiceSpec, seen: ServiceSeen, supervisor: Supervisor): ServicePlan {
  const { digest, files } = renderRelease(want);
  const plan = (steps: ServicePlan["steps"], because: string): ServicePlan => {
    return { steps, because, spec: want, supervisor, digest, files };
  };
  if (!seen.installed || seen.digest === undefined) return plan(["write", "start"], "it is not there");
  if (seen.digest !== digest) {
    const because = "its command, files, environment or supervisor changed";
    return plan(["write", seen.state === "running" ? "restart" : "start"], because);
  }
  if (seen.running && !seen.provenHealthy) return plan(["check"], "an earlier start was cut short");
  if (seen.running) return plan([], "it runs as wanted");
  const policy = want.restart ?? "always";
  if (seen.state === "exited" && seen.lastExit === 0 && policy !== "always")
    return plan([], "it has finished");
  const exit = seen.lastExit === undefined ? "" : `, last exit code ${seen.lastExit}`;
  return plan(["write", "start"], `it does not run (${seen.state}${exit})`);
}
