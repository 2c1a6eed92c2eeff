import { printable } from "../../core/errors.ts";
import type { SshConnection } from "../../ssh/types.ts";
import { runServiceScript } from "./script.ts";

interface Io {
  signal?: AbortSignal;
}

/** Stopping waits for each service's own stop timeout; past this something is wrong with the host. */
const STOP_TIMEOUT_MS = 700_000;

/** Stops a service and takes it off its supervisor; its files stay. One that is not there is stopped already. */
export async function stopService(ssh: SshConnection, name: string, io: Io = {}): Promise<void> {
  await runServiceScript(ssh, ["stop", name], { timeoutMs: STOP_TIMEOUT_MS, signal: io.signal });
}

/** Stops services and removes everything of theirs, log included. "Not there" is success. */
export async function removeService(ssh: SshConnection, name: string, io: Io = {}): Promise<void> {
  await runServiceScript(ssh, ["remove", name], { timeoutMs: STOP_TIMEOUT_MS, signal: io.signal });
}

/** The last `lines` lines of a service's log (and of the rotated one before it), safe for a terminal. */
export async function serviceLogs(
  ssh: SshConnection,
  name: string,
  lines: number,
  io: Io = {},
): Promise<string> {
  const args = ["logs", name, String(lines)];
  const result = await runServiceScript(ssh, args, { timeoutMs: 30_000, signal: io.signal });
  return printable(result.stdout);
}
