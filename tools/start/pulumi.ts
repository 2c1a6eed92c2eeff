import { spawn } from "node:child_process";
import { CloreError } from "../../src/core/errors.ts";
import type { Session } from "./session.ts";

/**
 * Runs `pulumi` in the session with its output shown as it is: a terminal gets the engine's live display. Ctrl-C
 * reaches the engine by the terminal itself, and it stops in good order.
 * @throws CloreError `start.pulumi-failed`
 */
export async function pulumi(session: Session, args: readonly string[]): Promise<void> {
  const child = spawn("pulumi", [...args, "--stack", session.stack], {
    cwd: session.directory,
    env: { ...process.env, ...session.env },
    stdio: "inherit",
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (exitCode) => resolve(exitCode));
  });
  if (code !== 0) {
    throw new CloreError("start.pulumi-failed", {
      message: `pulumi ${args[0]} ended with exit code ${code}`,
    });
  }
}

/** Runs `pulumi` and gives what it prints. */
export async function pulumiText(session: Session, args: readonly string[]): Promise<string> {
  const child = spawn("pulumi", [...args, "--stack", session.stack], {
    cwd: session.directory,
    env: { ...process.env, ...session.env },
    stdio: ["ignore", "pipe", "inherit"],
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

/** The stack's outputs, secrets in clear. */
export async function outputs(session: Session): Promise<Record<string, unknown>> {
  return JSON.parse(await pulumiText(session, ["stack", "output", "--json", "--show-secrets"])) as Record<
    string,
    unknown
  >;
}

/** How many resources the state still holds, the stack itself and providers aside. */
export async function resourcesLeft(session: Session): Promise<number> {
  const state = JSON.parse(await pulumiText(session, ["stack", "export"])) as {
    deployment: { resources?: { custom?: boolean; type: string }[] };
  };
  return (state.deployment.resources ?? []).filter((r) => r.custom && !r.type.startsWith("pulumi:")).length;
}
