import { CloreError } from "../core/errors.ts";
import type { SshConnection } from "../ssh/types.ts";

/** On the host, below the login user's home: which resource the server belongs to. */
const file = ".pulumi-clore/owner";

/** Leaves on the host whose it is, so that no other resource with the same key takes it for its own. */
export async function writeOwner(
  ssh: Pick<SshConnection, "exec">,
  urn: string,
  signal?: AbortSignal,
): Promise<void> {
  const command = `umask 077 && mkdir -p .pulumi-clore && cat > ${file}.new && mv -f ${file}.new ${file}`;
  const done = await ssh.exec(command, { stdin: `${JSON.stringify({ urn })}\n`, timeoutMs: 15_000, signal });
  if (done.exitCode === 0) return;
  throw new CloreError("host.script-failed", {
    message: `writing ~/${file} failed on the host with exit code ${done.exitCode}`,
    seen: done.stderr.slice(-500),
    retry: "later",
  });
}

/** Whose the server is. `undefined`: nobody has said so; "unreadable": somebody has, in words that we do not know. */
export async function readOwner(
  ssh: Pick<SshConnection, "exec">,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const command = `if [ -e ${file} ]; then head -c 2048 ${file}; else echo none; fi`;
  const { exitCode, stdout } = await ssh.exec(command, {
    timeoutMs: 10_000,
    maxOutputBytes: 16_384,
    signal,
  });
  const text = stdout.trim().split("\n").at(-1) ?? "";
  if (exitCode === 0 && text === "none") return undefined;
  try {
    const { urn } = JSON.parse(text) as { urn?: unknown };
    return typeof urn === "string" ? urn : "unreadable";
  } catch {
    return "unreadable";
  }
}
