import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

/** Ends everything that ran on the host: what has its home in the environment. */
export function endProcesses(home: string): void {
  for (const pid of processesOf(home)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {} // ended by itself meanwhile
  }
}

function processesOf(home: string): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => {
      if (!pid) return false;
      try {
        return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(`HOME=${home}`);
      } catch {
        return false;
      }
    });
}

/** How many processes run the service's program. */
export function programsRunning(home: string): number {
  return processesOf(home).filter((pid) => readCommand(pid).includes("sleep 1000000")).length;
}

function readCommand(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return "";
  }
}

/** What a run has made, one line a path: mode and digest; what differs from run to run (logs, times) is left out. */
export function stateOf(root: string): string {
  const lines = readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((path) => !path.startsWith("logs/"))
    .toSorted()
    .map((path) => {
      const full = join(root, path);
      const stat = lstatSync(full);
      const mode = (stat.mode & 0o7777).toString(8);
      if (stat.isSymbolicLink()) return `${path} -> ${readlinkSync(full)}`;
      if (stat.isDirectory()) return `${path}/ ${mode}`;
      // The archive holds times, and what commands make has the session's umask.
      if (/conf\.tar$/.test(path)) return path;
      const digest = createHash("sha256").update(readFileSync(full)).digest("hex");
      return `${path} ${/^data\/(?!table\.bin)|^motd/.test(path) ? "" : mode} ${digest}`;
    });
  return lines.join("\n");
}
