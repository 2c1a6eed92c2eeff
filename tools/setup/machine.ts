import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { cacheDirectory } from "../../src/core/state-directory.ts";
import { ollamaVersion } from "./ollama.ts";
import { which } from "./tool.ts";

/** What some tests need and not every machine has. */
export const parts = ["docker", "sshd", "pulumi", "root", "ollama"] as const;
export type Part = (typeof parts)[number];

/** Why a part is not to be had here; undefined when it is there. */
export function lacks(part: Part): string | undefined {
  switch (part) {
    case "root":
      return process.getuid?.() === 0 ? undefined : "not running as root";
    case "docker":
      return whyNoDocker();
    case "ollama":
      return which(part) || existsSync(join(cacheDirectory(process.env), part, ollamaVersion, "bin", part))
        ? undefined
        : "no ollama on the PATH or in the cache";
    default:
      // Daemons lie in sbin, which is not on everybody's PATH.
      return which(part) || existsSync(`/usr/sbin/${part}`) ? undefined : `no ${part} on the PATH`;
  }
}

function whyNoDocker(): string | undefined {
  if (!which("docker")) return "no docker on the PATH";
  try {
    execFileSync("docker", ["info", "--format", "{{.ServerVersion}}"], { stdio: "pipe", timeout: 10_000 });
    return undefined;
  } catch (error) {
    const stderr = String((error as { stderr?: Buffer }).stderr ?? "").trim();
    return `the Docker daemon does not answer${stderr ? `: ${stderr.split("\n")[0]}` : ""}`;
  }
}
