import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { expect, test } from "vitest";
import { runLabel } from "../../src/emulator/machines/docker.ts";
import { marked } from "../../src/emulator/machines/processes.ts";
import { startEmulator } from "../../src/emulator/server.ts";
import { Renter, rentAndWait } from "./support.ts";

/** An emulator in a process of its own, with one order whose machine runs a command. */
async function emulatorProcess(machines: "sandbox" | "docker", stateDir: string) {
  const child = execa(process.execPath, [join(import.meta.dirname, "orphan-child.ts"), machines, stateDir], {
    reject: false,
    stderr: "inherit",
  });
  const machine = await new Promise<string>((resolve) =>
    child.stdout.once("data", (line) => resolve(String(line).trim())),
  );
  return { pid: child.pid!, machine, child };
}

test.each(["sandbox", "docker"] as const)(
  "what a killed emulator with %s machines left, the next one removes",
  async (machines) => {
    const stateDir = await mkdtemp(join(tmpdir(), "clore-orphans-"));
    const { pid, machine, child } = await emulatorProcess(machines, stateDir);
    process.kill(pid, "SIGKILL");
    await child;
    const left = async () =>
      machines === "docker"
        ? (await execa("docker", ["ps", "-aq", "--filter", `label=${runLabel}.pid=${pid}`])).stdout
            .split("\n")
            .filter(Boolean)
        : await marked(machine);
    expect(await left()).not.toEqual([]);

    const renter = new Renter(
      await startEmulator({ machines, stateDir, speed: 20, marketSize: 0, market: [{ id: 100 }] }),
    );
    renter.pace = () => new Promise((resolve) => setTimeout(resolve, 55));
    await rentAndWait(renter);
    expect(await left()).toEqual([]);
    await renter.emulator.close();
    expect(await readdir(stateDir)).toEqual([]);
    await rm(stateDir, { recursive: true });
  },
);
