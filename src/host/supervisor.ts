import type { HostFacts } from "./types.ts";

/** What keeps a service's process running, and brings it back when the machine or container starts again. */
export type Supervisor = "supervisord" | "systemd" | "own";

/**
 * Chooses from facts: supervisord where it answers (as root: its configuration is root's), systemd where it is PID 1
 * (as root), otherwise our own script, which needs neither. Pure.
 */
export function chooseSupervisor(facts: Pick<HostFacts, "supervisord" | "systemd" | "isRoot">): Supervisor {
  if (facts.isRoot && facts.supervisord) return "supervisord";
  if (facts.isRoot && facts.systemd) return "systemd";
  return "own";
}
