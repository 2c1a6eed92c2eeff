import { type ChildProcess, spawn } from "node:child_process";
import { openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { CloreError } from "../../src/core/errors.ts";
import { isRunning } from "../../src/core/is-running.ts";

/** What `clore emulate --json` says of itself. */
const announced = z.object({
  apiUrl: z.string(),
  apiKey: z.string(),
  machines: z.enum(["docker", "sandbox"]),
  geminiUrl: z.string(),
  geminiUrlFromMachines: z.string(),
  geminiKey: z.string(),
  modelsUrlFromMachines: z.string(),
});

/** A local Clore.ai in a process of its own, so that `--keep` can leave it running. */
export type Marketplace = z.infer<typeof announced> & { pid: number };

/**
 * Starts it in the background. Its output goes to `emulator.log` in the folder.
 * @throws CloreError `start.no-emulator` with its last lines when it does not come up
 */
export async function startMarketplace(
  directory: string,
  machines: string | undefined,
  onStatus: (text: string) => void,
): Promise<Marketplace> {
  const logPath = join(directory, "emulator.log");
  const outPath = join(directory, "emulator.json");
  const log = openSync(logPath, "a");
  const out = openSync(outPath, "w");
  const clore = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
  const args = [clore, "emulate", "--json", ...(machines ? ["--machines", machines] : [])];
  // A group of its own: Ctrl-C is for us to handle, it is ended when its orders are.
  const child = spawn(process.execPath, args, { detached: true, stdio: ["ignore", out, log] });
  child.unref();
  // Building the machine image takes a while the first time; its progress stands in the log.
  for (let waited = 0; waited < 10 * 60_000; waited += 100) {
    const [line, rest] = readFileSync(outPath, "utf8").split("\n");
    if (line && rest !== undefined) return { ...announced.parse(JSON.parse(line)), pid: child.pid ?? 0 };
    if (hasEnded(child)) break;
    const last = readFileSync(logPath, "utf8").trim().split("\n").at(-1);
    if (last) onStatus(last);
    await delay(100);
  }
  throw new CloreError("start.no-emulator", {
    message: "the local marketplace did not start",
    seen: readFileSync(logPath, "utf8").trim().split("\n").slice(-5).join("\n"),
  });
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

const books = z.object({
  orders: z.array(
    z.object({
      orderId: z.number(),
      serverId: z.number(),
      pricePerDayUsd: z.number(),
      spentUsd: z.number(),
      ended: z.number().optional(),
    }),
  ),
});

/** The marketplace's own books: what was rented, and what still bills. */
export async function readBooks(apiUrl: string): Promise<z.infer<typeof books>["orders"]> {
  const response = await fetch(new URL("/_emulator/ledger", apiUrl));
  return books.parse(await response.json()).orders;
}

/** Ends the local marketplace with every machine in it. Gives false when it was gone already. */
export async function stopMarketplace(pid: number): Promise<boolean> {
  try {
    process.kill(pid, "SIGTERM");
  } catch {
    return false;
  }
  for (let i = 0; i < 300 && isRunning(pid); i++) await delay(50);
  return true;
}
