import { CloreError } from "../../core/errors.ts";
import type { ContainersSeen } from "./observe.ts";
import { type ContainerSpec, checkContainer, containerDigest, restartPolicy } from "./spec.ts";

/**
 * What has to be done so that a container runs as wanted. `image`: pull or build if missing. `clear`: remove a half-made
 * one of an earlier run. `prune`: remove the one before.
 */
export interface ContainerPlan {
  steps: readonly ("image" | "clear" | "create" | "swap" | "start" | "check" | "prune")[];
  /** Why, for people. */
  because: string;
  spec: ContainerSpec;
}

/**
 * Compares what is wanted with what was seen. Pure. No steps: it runs as wanted.
 * @throws InputError when the spec is wrong; CloreError `host.name-taken` when a container of that name is not ours
 */
export function planContainer(spec: ContainerSpec, { current, previous }: ContainersSeen): ContainerPlan {
  checkContainer(spec);
  const prune = previous ? (["prune"] as const) : [];
  const plan = (steps: ContainerPlan["steps"], because: string): ContainerPlan => ({ steps, because, spec });
  if ((current && current.digest === undefined) || (previous && previous.digest === undefined)) {
    throw new CloreError("host.name-taken", {
      message: `a container called ${spec.name} is on the host and was not made by us`,
      hint: "remove or rename it, or give this one another name",
    });
  }
  if (!current) return plan(["image", "create", "check", ...prune], "it is not there");
  if (current.digest !== containerDigest(spec)) {
    // With one before it still kept, or ended without its policy, it never was healthy: no version to go back to.
    if (previous || (!current.running && current.restartPolicy === "no")) {
      return plan(["image", "clear", "create", "check", ...prune], "the one that is there never was healthy");
    }
    return plan(["image", "swap", "check", "prune"], "its image or configuration changed");
  }
  if (!current.running) {
    const finished = spec.restart === "no" || spec.restart === "on-failure";
    if (finished && current.exited && current.exitCode === 0) return plan(prune, "it has finished");
    return plan(["start", "check", ...prune], `it does not run (exit code ${current.exitCode})`);
  }
  if (previous || current.restartPolicy !== restartPolicy(spec)) {
    return plan(["check", ...prune], "an earlier change was cut short");
  }
  return plan([], "it runs as wanted");
}
