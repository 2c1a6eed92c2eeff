import { execa } from "execa";
import { CloreError, printable } from "../core/errors.ts";

export interface PulumiIo {
  env: Readonly<Record<string, string | undefined>>;
  signal: AbortSignal;
  /** Where it runs: a Pulumi.yaml there can name the backend. @default the process's folder */
  cwd?: string;
}

/** The most that one call of the CLI may take, in milliseconds: a large state over a slow line. */
const limitMs = 120_000;

/**
 * Runs the `pulumi` CLI and gives what it prints, parsed as JSON. Reads only.
 * @throws CloreError `backend.no-cli`, `backend.unreadable`
 */
export async function pulumiJson(args: readonly string[], { env, signal, cwd }: PulumiIo): Promise<unknown> {
  const what = `pulumi ${args.join(" ")}`;
  const result = await execa("pulumi", [...args, "--non-interactive"], {
    env: { ...env, PULUMI_SKIP_UPDATE_CHECK: "1" },
    extendEnv: false,
    cwd,
    reject: false,
    stdin: "ignore",
    timeout: limitMs,
    cancelSignal: signal,
    maxBuffer: 512 * 1024 * 1024,
  });
  signal.throwIfAborted();
  if (result.code === "ENOENT") {
    throw new CloreError("backend.no-cli", {
      message: "the pulumi CLI is not on the PATH, and without it the stacks cannot be read",
      hint: "install it from https://www.pulumi.com/docs/install, or run this where your stacks are run",
    });
  }
  if (result.failed) throw unreadable(what, result.stderr || (result.shortMessage ?? ""), result);
  try {
    return JSON.parse(result.stdout);
  } catch (error) {
    throw unreadable(what, `no JSON: ${result.stdout.slice(0, 200)}`, error);
  }
}

/** The backend, or a part of it, gave no answer that can be relied on: then nothing may be concluded from it. */
export function unreadable(what: string, seen: string, cause?: unknown): CloreError {
  return new CloreError("backend.unreadable", {
    message: `the Pulumi backend cannot be read whole: ${what} failed`,
    seen: printable(seen.trim().slice(-600)),
    hint: "check `pulumi whoami` and PULUMI_BACKEND_URL; nothing is concluded from a part of the stacks",
    retry: "later",
    cause,
  });
}
