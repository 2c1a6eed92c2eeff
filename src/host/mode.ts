import { CloreError } from "../core/errors.ts";
import { dockerObstacles } from "./docker/install.ts";
import type { HostFacts } from "./types.ts";

/** How a workload runs on a server: as the order's own image, as supervised processes, or as containers. */
export type Mode = "image" | "native" | "docker";

/** The mode and, for people, why. */
export interface ChosenMode {
  mode: Mode;
  because: string;
}

/**
 * Decides how a workload runs, from what was wanted and what the host is. Pure; nothing is downloaded before it agrees.
 * `auto` never gives `image`: that is chosen with the order, before there is a host to look at.
 * @throws CloreError `host.mode-impossible` when what was asked for cannot work here
 */
export function chooseMode(wanted: Mode | "auto", facts: HostFacts): ChosenMode {
  if (wanted === "image") return { mode: "image", because: "asked for: the order's image is the workload" };
  if (wanted === "native") return { mode: "native", because: `asked for; ${supervisorWord(facts)}` };
  if (facts.docker.works) {
    return {
      mode: "docker",
      because: `Docker ${facts.docker.version ?? ""} answers at ${facts.docker.socket}`,
    };
  }
  const obstacles = dockerObstacles(facts);
  if (wanted === "docker") {
    if (obstacles.length === 0)
      return { mode: "docker", because: "asked for; Docker is missing and can be installed" };
    throw new CloreError("host.mode-impossible", {
      message: "Docker does not work on this host and cannot be made to",
      seen: obstacles.join("; "),
      hint: "use mode native or image here; a Clore.ai rental is an unprivileged container",
    });
  }
  // Nothing system-wide is installed on a machine unless asked for.
  const why = obstacles.join("; ") || "it could be installed: ask for mode docker";
  return { mode: "native", because: `no Docker here (${why}); ${supervisorWord(facts)}` };
}

function supervisorWord(facts: HostFacts): string {
  if (facts.supervisord) return "processes under supervisord";
  if (facts.systemd && facts.isRoot) return "processes under systemd";
  return "processes under our own supervisor";
}
