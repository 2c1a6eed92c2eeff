import { CloreError } from "../../core/errors.ts";
import { type Log, silentLog } from "../../core/log.ts";
import type { SshConnection } from "../../ssh/types.ts";
import { readFacts } from "../facts.ts";
import { hostFailure } from "../failure.ts";
import { applyService, observeService, planService } from "../service.ts";
import { chooseSupervisor } from "../supervisor.ts";
import { template } from "../template.ts";
import type { HostFacts } from "../types.ts";

/** What Debian's and Ubuntu's `docker.io` with one small image needs at least, in GB. */
const MIN_FREE_GB = 2;
const INSTALL_TIMEOUT_MS = 15 * 60_000;

/**
 * Why Docker cannot be installed and started on a host; none: it can. Pure, and asked before anything is downloaded.
 * An unprivileged container (a Clore.ai rental) can hold no daemon: it may not mount or make namespaces.
 */
export function dockerObstacles(facts: HostFacts): readonly string[] {
  const obstacles: string[] = [];
  if (!facts.isRoot) obstacles.push(`the login user ${facts.user} is not root`);
  if (!facts.privileged) obstacles.push("the host is an unprivileged container (no CAP_SYS_ADMIN)");
  if (!facts.tools.includes("apt-get"))
    obstacles.push(`no apt-get on ${facts.os.prettyName}: Debian or Ubuntu is needed`);
  if (facts.disk.freeGb < MIN_FREE_GB)
    obstacles.push(`${facts.disk.freeGb} GB free, ${MIN_FREE_GB} GB are needed`);
  return obstacles;
}

/**
 * Makes Docker work on a host where it does not: installs `docker.io` when there is no daemon, and starts it under
 * systemd or else under our own supervisor. Where it works already, nothing is done. Gives the facts after.
 * @throws CloreError `host.docker-impossible` before anything is downloaded; `host.docker-failed` when it will not start
 */
export async function ensureDocker(
  ssh: SshConnection,
  facts: HostFacts,
  io: { signal?: AbortSignal; log?: Log } = {},
): Promise<HostFacts> {
  if (facts.docker.works) return facts;
  const obstacles = dockerObstacles(facts);
  if (obstacles.length > 0) {
    throw new CloreError("host.docker-impossible", {
      message: "Docker cannot be installed on this host",
      seen: obstacles.join("; "),
      hint: "use mode native or image here",
    });
  }
  const log = io.log ?? silentLog;
  log.status("Docker: installing");
  const installed = await ssh.exec("sh -s", {
    stdin: template("install-docker.sh"),
    timeoutMs: INSTALL_TIMEOUT_MS,
    signal: io.signal,
    onOutput: (_, text) => log.debug(text.trimEnd()),
  });
  if (installed.exitCode !== 0) throw hostFailure("installing Docker", installed);
  if (!facts.systemd) await superviseDaemon(ssh, facts, io);
  const after = await readFacts(ssh, { signal: io.signal });
  if (after.docker.works) return after;
  throw new CloreError("host.docker-failed", {
    message: "Docker was installed and does not answer",
    seen: JSON.stringify(after.docker),
    hint: "look at the log of service dockerd on the host",
    retry: "later",
  });
}

/** After a restart of the container another process may bear the daemon's number, which it would take for itself. */
const FORGET_PIDS = "rm -f /var/run/docker.pid /var/run/docker/containerd/containerd.pid";

/** Without systemd nothing keeps a daemon running: our supervised service `dockerd` does. */
async function superviseDaemon(
  ssh: SshConnection,
  facts: HostFacts,
  io: { signal?: AbortSignal; log?: Log },
): Promise<void> {
  const seen = await observeService(ssh, "dockerd", io);
  const spec = {
    name: "dockerd",
    command: ["sh", "-c", `${FORGET_PIDS}; exec dockerd --host unix:///var/run/docker.sock`],
    stopTimeoutSeconds: 30,
    health: { command: ["docker", "info"], timeoutSeconds: 60 },
  };
  await applyService(ssh, planService(spec, seen, chooseSupervisor(facts)), io);
}
