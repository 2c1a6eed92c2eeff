import { execa } from "execa";
import type { Session } from "./session.ts";

function quietly(session: Session, args: readonly string[]) {
  return execa("pulumi", args, {
    cwd: session.directory,
    env: { ...session.env },
    reject: false,
    stdin: "ignore",
    all: true,
  });
}

export async function existsStack(session: Session): Promise<boolean> {
  const { exitCode } = await quietly(session, ["stack", "export", "--stack", session.stack]);
  return exitCode === 0;
}

export async function initStack(session: Session): Promise<void> {
  const { exitCode, all } = await quietly(session, ["stack", "init", session.stack]);
  if (exitCode !== 0) throw new Error(`pulumi stack init failed: ${all}`);
}

/** A killed run leaves the stack locked; nobody else works in this backend. */
export async function unlock(session: Session): Promise<void> {
  await quietly(session, ["cancel", "--yes", "--stack", session.stack]);
}
