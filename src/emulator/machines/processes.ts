import { readdir, readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";

/** The environment variable that every process of a sandbox machine carries. */
export const marker = "CLORE_SANDBOX";

/**
 * Ends every process that carries `CLORE_SANDBOX=<id>`, those that left their group included, and the groups given.
 * Looks again until none is left (processes can fork while we look), for 5 s at most. Only Linux has /proc;
 * elsewhere just the groups are ended.
 */
export async function endProcesses(id: string, groups: ReadonlySet<number>): Promise<void> {
  for (const group of groups) kill(-group);
  for (let look = 0; look < 100; look++) {
    const left = await marked(id);
    if (left.length === 0) return;
    for (const pid of left) kill(pid);
    await delay(look < 5 ? 10 : 50);
  }
}

/** Process ids that carry the marker; zombies have no environment and do not count. */
export async function marked(id: string): Promise<number[]> {
  const entries = await readdir("/proc").catch(() => []);
  const found = await Promise.all(
    entries
      .filter((name) => /^\d+$/.test(name))
      .map(async (pid) => {
        const environ = await readFile(`/proc/${pid}/environ`, "latin1").catch(() => "");
        return environ.split("\0").includes(`${marker}=${id}`) ? Number(pid) : undefined;
      }),
  );
  return found.filter((pid) => pid !== undefined && pid !== process.pid) as number[];
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // gone already
  }
}

/** Whether a process of this id exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
