import { createHash, randomBytes } from "node:crypto";
import { CloreError, InputError, type InputProblem } from "../core/errors.ts";
import { bounded } from "./errors.ts";
import {
  compareScript,
  END,
  type FileState,
  parseComparison,
  takeBytes,
  type Wanted,
  writeScript,
} from "./filescripts.ts";
import { type Exec, runScript } from "./script.ts";
import type { RemoteFile } from "./types.ts";

const COMPARE_TIMEOUT_MS = 120_000;
/** Slower lines than this (bytes per second) are given up on. */
const SLOWEST_BYTES_PER_SECOND = 32 * 1024;

/**
 * Writes files atomically, and only those that differ in content, mode or owner: one round trip compares all,
 * a second one writes all. Contents go over stdin, never into arguments. Missing parent folders are made.
 * A symbolic link at a path is replaced by the file, not followed.
 * @returns the paths written, as given
 * @throws InputError for impossible paths or modes; CloreError `ssh.write-failed` with the host's own words, `ssh.*`
 */
export async function writeFilesWith(
  exec: Exec,
  where: string,
  files: readonly RemoteFile[],
  signal?: AbortSignal,
): Promise<readonly string[]> {
  checkFiles(files);
  if (files.length === 0) return [];
  const wanted = files.map(toWanted);
  const seen = await runScript(exec, compareScript(wanted), [], { timeoutMs: COMPARE_TIMEOUT_MS, signal });
  const states = parseComparison(seen.stdout, wanted.length);
  const stale = wanted.flatMap((file, index) => (isRight(file, states[index]) ? [] : [{ file, index }]));
  if (stale.length === 0) return [];

  const changed = stale.map(({ file }) => file);
  const script = Buffer.from(writeScript(changed, randomBytes(12).toString("hex")));
  const stdin = Buffer.concat([script, ...changed.map((file) => file.content), Buffer.from(END)]);
  const timeoutMs = COMPARE_TIMEOUT_MS + (stdin.length / SLOWEST_BYTES_PER_SECOND) * 1_000;
  const written = await exec(`eval "$(${takeBytes(script.length)})"`, { stdin, timeoutMs, signal });
  if (written.exitCode !== 0) {
    throw new CloreError("ssh.write-failed", {
      message: `files could not be written on ${where} (exit ${written.exitCode}); those that were there are as they were`,
      seen: bounded(written.stderr.replaceAll(/^\d+.*(records (in|out)|copied.*)\n/gm, "")), // without dd's statistics
      hint: "check free space and permissions on the host",
    });
  }
  return stale.map(({ index }) => files[index]!.path);
}

function checkFiles(files: readonly RemoteFile[]): void {
  const problems: InputProblem[] = [];
  const paths = new Set<string>();
  files.forEach((file, index) => {
    const path = `files[${index}]`;
    if (file.path === "" || file.path.includes("\0") || /(^|\/)\.{0,2}$/.test(file.path)) {
      problems.push({ path: `${path}.path`, problem: `${JSON.stringify(file.path)} names no file` });
    }
    if (paths.has(anchored(file.path))) {
      problems.push({ path: `${path}.path`, problem: `${JSON.stringify(file.path)} is there twice` });
    }
    paths.add(anchored(file.path));
    if (!Number.isInteger(file.mode) || file.mode < 0 || file.mode > 0o7777) {
      problems.push({ path: `${path}.mode`, problem: `${file.mode} is no mode: write it in octal, 0o644` });
    }
    if (file.owner !== undefined && !/^[\w.][\w.-]*\$?(:[\w.][\w.-]*\$?)?$/.test(file.owner)) {
      problems.push({ path: `${path}.owner`, problem: "write `user` or `user:group`" });
    }
  });
  if (problems.length > 0) throw new InputError("files for the host", problems);
}

function toWanted(file: RemoteFile): Wanted {
  return {
    path: anchored(file.path),
    content: Buffer.from(file.content),
    mode: file.mode,
    owner: file.owner,
  };
}

/** No path may look like an option: relative ones begin with `./` (exec starts in the home). */
function anchored(path: string): string {
  return path.startsWith("/") || path.startsWith("./") ? path : `./${path}`;
}

function isRight(file: Wanted, state: FileState | undefined): boolean {
  if (!state || state.mode !== file.mode) return false;
  const [user, group] = file.owner?.split(":") ?? [];
  if (user === undefined ? !state.own : !state.user.includes(user)) return false;
  if (group !== undefined && !state.group.includes(group)) return false;
  return state.sha256 === createHash("sha256").update(file.content).digest("hex");
}
