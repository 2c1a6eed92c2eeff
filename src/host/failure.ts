import { CloreError, printable } from "../core/errors.ts";
import type { ExecResult, SshConnection } from "../ssh/types.ts";

/** An error for a command that failed on a host, with the host's own last lines; a full disk has its own code. */
export function hostFailure(what: string, result: ExecResult): CloreError {
  const last = lastLines(result.stderr || result.stdout, 20);
  if (isDiskFull(last)) return diskFull(what, last);
  return new CloreError("host.script-failed", {
    message: `${what} failed on the host with exit code ${result.exitCode}`,
    seen: last || "no output",
    retry: "later",
  });
}

/**
 * Runs something that writes `bytes` to the host; a full disk becomes `host.disk-full` with the free space seen.
 * Not every tool says that the disk is full, so after a failed write the host is asked for its free space too.
 */
export async function notingFullDisk<T>(
  ssh: SshConnection,
  what: string,
  bytes: number,
  write: () => Promise<T>,
): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (!(error instanceof CloreError) || error.code !== "ssh.write-failed") throw error;
    const folder = '"$HOME/.pulumi-clore"';
    const command = `df -Pk ${folder} 2>/dev/null || df -Pk "$HOME"`;
    const df = await ssh.exec(command, { timeoutMs: 10_000 }).catch(() => undefined);
    const freeKb = Number(/\s\d+\s+\d+\s+(\d+)\s+\d+%/.exec(df?.stdout ?? "")?.[1] ?? Number.NaN);
    if (!isDiskFull(wordsOf(error)) && !(freeKb * 1024 < bytes)) throw error;
    const seen = Number.isNaN(freeKb)
      ? "free space unknown"
      : `${freeKb} kB free, ${Math.ceil(bytes / 1024)} kB to write`;
    throw diskFull(what, seen, error);
  }
}

/** `host.disk-full`: what could not be written, and what the host said about its disk. */
export function diskFull(what: string, seen: string, cause?: unknown): CloreError {
  return new CloreError("host.disk-full", {
    message: `${what}: the host's disk is full`,
    seen: printable(seen),
    hint: "free space on the host, or take one with a bigger disk (minDiskGb)",
    cause,
  });
}

/** Whether a text is the system's way to say ENOSPC or EDQUOT. */
export function isDiskFull(text: string): boolean {
  return /no space left on device|ENOSPC|disk quota exceeded/i.test(text);
}

/** The last lines of remote text, safe for a terminal. */
export function lastLines(text: string, count: number): string {
  return printable(text.trimEnd().split("\n").slice(-count).join("\n"));
}

function wordsOf(error: Error): string {
  const seen = error instanceof CloreError ? (error.seen ?? "") : "";
  const cause = error.cause instanceof Error ? wordsOf(error.cause) : "";
  return `${error.message} ${seen} ${cause}`;
}
