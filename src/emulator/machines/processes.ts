import { readdir, readFile, readlink } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";

/** The environment variable that every process of a sandbox machine carries. */
export const marker = "CLORE_SANDBOX";

/**
 * Ends every process of the machine in folder `id`, those that left their group included, and the groups given.
 * Done when two looks in a row find none (processes can fork while we look), after 5 s at most. Only Linux has /proc;
 * elsewhere just the groups are ended.
 */
export async function endProcesses(id: string, groups: ReadonlySet<number>): Promise<void> {
  for (const group of groups) kill(-group);
  let clean = 0;
  for (let look = 0; look < 150 && clean < 2; look++) {
    const left = await marked(id);
    clean = left.length === 0 ? clean + 1 : 0;
    for (const pid of left) kill(pid);
    if (clean < 2) await delay(look < 5 ? 10 : 40);
  }
}

/**
 * Ids of the processes that belong to the machine in folder `id`: by the marker in their environment, or by their
 * working folder, because in the middle of an exec a process shows no environment.
 */
export async function marked(id: string): Promise<number[]> {
  const entries = await readdir("/proc").catch(() => []);
  const found = await Promise.all(
    entries
      .filter((name) => /^\d+$/.test(name))
      .map(async (pid) => {
        const folder = await readlink(`/proc/${pid}/cwd`).catch(() => ""); // zombies have neither
        if (folder.startsWith(`${id}/`)) return Number(pid);
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
