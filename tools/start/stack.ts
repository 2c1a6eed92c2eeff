import { execa } from "execa";
import { CloreError, printable } from "../../src/core/errors.ts";
import type { Session } from "./session.ts";

/** In a process group of its own: what a Ctrl-C at the terminal ends half-way would say that there is no stack. */
function quietly(session: Session, args: readonly string[]) {
  return execa("pulumi", args, {
    cwd: session.directory,
    env: { ...session.env },
    reject: false,
    stdin: "ignore",
    all: true,
    detached: true,
    // A group that lives on is the engine's to end, and these take a second.
    cleanup: false,
  });
}

/** @throws CloreError `start.pulumi-failed`: a question that failed is no answer */
export async function existsStack(session: Session): Promise<boolean> {
  const { exitCode, stdout, all } = await quietly(session, ["stack", "ls", "--json"]);
  if (exitCode !== 0)
    throw new CloreError("start.pulumi-failed", { message: "pulumi stack ls failed", seen: printable(all) });
  return (JSON.parse(stdout) as { name: string }[]).some(({ name }) => name === session.stack);
}

export async function initStack(session: Session): Promise<void> {
  const { exitCode, all } = await quietly(session, ["stack", "init", session.stack]);
  if (exitCode !== 0) throw new Error(`pulumi stack init failed: ${all}`);
}

/** A killed run leaves the stack locked; nobody else works in this backend. */
export async function unlock(session: Session): Promise<void> {
  await quietly(session, ["cancel", "--yes", "--stack", session.stack]);
}
