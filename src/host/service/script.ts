import { type Exec, runScript } from "../../ssh/script.ts";
import type { ExecResult, SshConnection } from "../../ssh/types.ts";
import { hostFailure } from "../failure.ts";
import { template } from "../template.ts";

const PARTS = ["supervisor-own.sh", "supervisor-supervisord.sh", "supervisor-systemd.sh", "service.sh"];

/**
 * Runs one verb of `templates/host/service.sh` on a host, in one round trip. The script goes along: nothing has
 * to be installed before, and its arguments are no more than names.
 * @throws CloreError `host.script-failed`, `host.disk-full`
 */
export async function runServiceScript(
  ssh: SshConnection,
  args: readonly string[],
  options: { timeoutMs: number; signal?: AbortSignal },
): Promise<ExecResult> {
  const exec: Exec = (command, execOptions) => ssh.exec(command, execOptions);
  const result = await runScript(exec, PARTS.map(template).join("\n"), args, options);
  if (result.exitCode !== 0 || result.stdout.includes("result=failed\n")) {
    throw hostFailure(`${args[0]} ${args[1] ?? ""}`.trim(), result);
  }
  return result;
}
