import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isRunning } from "../../core/is-running.ts";
import { endProcesses } from "./processes.ts";

/** Removes what emulators that were killed left under `parent`: sandbox folders and the processes that belong to them. */
export async function removeOrphans(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const pid = /^clore-emulator-(\d+)-/.exec(name)?.[1];
    if (pid === undefined || isRunning(Number(pid))) continue;
    const folder = join(parent, name);
    for (const machine of await readdir(folder).catch(() => []))
      await endProcesses(join(folder, machine), new Set());
    await rm(folder, { recursive: true, force: true });
  }
}
