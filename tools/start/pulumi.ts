import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { CloreError } from "../../src/core/errors.ts";
import type { Session } from "./session.ts";

export interface RunOptions {
  /**
   * Keeps the terminal's Ctrl-C from it: in a process group of its own, and with plain output, for only the terminal's own
   * group may have its live display.
   */
  shielded?: boolean;
  /** Kills it. */
  signal?: AbortSignal;
}

/**
 * Runs `pulumi` in the session with its output shown as it is: a terminal gets the engine's live display. Ctrl-C
 * reaches the engine by the terminal itself, and it stops in good order.
 * @throws CloreError `start.pulumi-failed`, `interrupted` where Ctrl-C stopped it
 */
export async function pulumi(
  session: Session,
  args: readonly string[],
  { shielded = false, signal }: RunOptions = {},
): Promise<void> {
  const events = join(session.directory, "events.jsonl");
  rmSync(events, { force: true });
  // The CLI's language host leaves its temporary folder behind when a terminal's Ctrl-C ends it.
  const temporary = join(session.directory, "tmp");
  mkdirSync(temporary, { recursive: true });
  const child = spawn("pulumi", [...args, "--stack", session.stack, "--event-log", events], {
    cwd: session.directory,
    // As Pulumi's own Automation API does: without it there is no --event-log.
    env: { ...process.env, ...session.env, TMPDIR: temporary, PULUMI_DEBUG_COMMANDS: "true" },
    stdio: [shielded ? "ignore" : "inherit", "inherit", "inherit"],
    detached: shielded,
    ...(signal ? { signal, killSignal: "SIGKILL" } : {}),
  });
  const { code, by } = await new Promise<{ code: number | null; by: NodeJS.Signals | null }>(
    (resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (exitCode, exitSignal) => resolve({ code: exitCode, by: exitSignal }));
    },
  );
  rmSync(temporary, { recursive: true, force: true });
  if (code === 0) return;
  if (by === "SIGINT" || (existsSync(events) && hadInterrupt(readFileSync(events, "utf8"))))
    throw new CloreError("interrupted", {
      message: `pulumi ${args[0]} was stopped by Ctrl-C`,
      retry: "later",
    });
  throw new CloreError("start.pulumi-failed", {
    message: `pulumi ${args[0]} ended with ${by ?? `exit code ${code}`}`,
  });
}

/**
 * Whether the engine's events say that Ctrl-C was pressed. Its live display reads the terminal raw: then no signal tells of
 * it, and its exit code is that of any failure. Pure.
 */
export function hadInterrupt(events: string): boolean {
  return events.includes('"stdoutEvent":{"message":"^C received');
}

/** Runs `pulumi` and gives what it prints. */
export async function pulumiText(session: Session, args: readonly string[]): Promise<string> {
  const child = spawn("pulumi", [...args, "--stack", session.stack], {
    cwd: session.directory,
    env: { ...process.env, ...session.env },
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (piece: string) => {
    text += piece;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code !== 0)
    throw new CloreError("start.pulumi-failed", {
      message: `pulumi ${args[0]} ended with exit code ${code}`,
    });
  return text;
}

/** What the stacks say at their end; the last three where a stack serves models. */
export interface Outputs {
  url: string;
  apiKey: string;
  pricePerDay: number;
  /** The shell command that opens a session, and the key that its file `key` should hold. */
  ssh: string;
  sshPrivateKey: string;
  models: string[];
  tokensPerSecond: number;
  tunnel: string;
}

/** The stack's outputs, secrets in clear. */
export async function outputs(session: Session): Promise<Outputs> {
  return JSON.parse(await pulumiText(session, ["stack", "output", "--json", "--show-secrets"])) as Outputs;
}

/** How many resources the state still holds, the stack itself and providers aside. */
export async function resourcesLeft(session: Session): Promise<number> {
  const state = JSON.parse(await pulumiText(session, ["stack", "export"])) as {
    deployment: { resources?: { custom?: boolean; type: string }[] };
  };
  return (state.deployment.resources ?? []).filter((r) => r.custom && !r.type.startsWith("pulumi:")).length;
}
