import type { SshConnection } from "../ssh/types.ts";
import { runServiceScript } from "./service/script.ts";

/**
 * The one folder, below the login user's home, under which everything lies that we put on a host:
 * `services/<name>/{releases,current,run,log}` and `runtime/`. Outside it there is only what a supervisor must find in
 * its own place: a systemd unit, a supervisord program, an `@reboot` line of cron, or one line in the script that PID 1
 * of a container runs, all named `pulumi-clore…`.
 */
export const HOST_FOLDER = ".pulumi-clore";

/** Stops every service and removes the folder and all that lies outside it. Done twice, it is success twice. */
export async function removeAll(ssh: SshConnection, options: { signal?: AbortSignal } = {}): Promise<void> {
  await runServiceScript(ssh, ["remove_all"], { timeoutMs: 900_000, signal: options.signal });
}

/**
 * Removes what services share (runtimes, models, the folder itself) from a host that is not ours, unless a service is
 * left there: it may be another stack's. Done twice, it is success twice.
 */
export async function leaveHost(ssh: SshConnection, options: { signal?: AbortSignal } = {}): Promise<void> {
  await runServiceScript(ssh, ["leave"], { timeoutMs: 120_000, signal: options.signal });
}
