import { readFileSync } from "node:fs";
import { applyService, observeService, planService } from "../../src/host/service.ts";
import type { ExecResult, SshConnection } from "../../src/ssh/types.ts";
import { SERVICE, type Step } from "./steps.ts";

const timeoutMs = 60_000;

/**
 * Carries the steps out with our layer; those done already are left alone. Looks do not wait for each other: one wave shows
 * everything that is to be done, and with nothing to do it is the only one. `contents`: step number → local file.
 */
export async function provision(
  ssh: SshConnection,
  steps: readonly Step[],
  contents: ReadonlyMap<number, string>,
): Promise<void> {
  const folders = steps.filter((step) => "folder" in step);
  const commands = steps.filter((step) => "command" in step);
  const files = steps.flatMap((step, index) =>
    "file" in step ? [{ path: step.file, mode: step.mode, content: readFileSync(contents.get(index)!) }] : [],
  );
  // Folders and the looks at what guards the commands are one script.
  const make = folders.map(
    ({ folder, mode }) =>
      `mkdir -p ${folder} && chmod ${mode.toString(8)} ${folder} || { echo "${folder}" >&2; exit 1; }`,
  );
  const look = commands.map((step) => {
    const check = "creates" in step ? `[ -e ${step.creates} ]` : step.unless;
    return `${check} 2>/dev/null; echo $?`;
  });
  const [found, seen] = await Promise.all([
    ssh.exec([...make, ...look].join("\n"), { timeoutMs }).then(succeeded),
    observeService(ssh, SERVICE),
    ssh.writeFiles(files),
  ]);
  const answers = found.stdout.trim().split("\n");
  const due = commands.filter((_, index) => answers[index] !== "0");
  if (due.length > 0) {
    succeeded(await ssh.exec(`set -e\n${due.map(({ command }) => command).join("\n")}`, { timeoutMs }));
  }
  const program = steps.find((step) => "process" in step)!;
  const readiness = steps.find((step) => "ready" in step)!;
  const health = { command: ["sh", "-c", readiness.ready], timeoutSeconds: 60 };
  const spec = { name: SERVICE, command: program.process, health };
  await applyService(ssh, planService(spec, seen, "own"));
}

function succeeded(result: ExecResult): ExecResult {
  if (result.exitCode !== 0) throw new Error(result.stderr || `exit ${result.exitCode}`);
  return result;
}
