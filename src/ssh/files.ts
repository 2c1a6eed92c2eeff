import { createHash, randomBytes } from "node:crypto";
import { CloreError, InputError, type InputProblem } from "../core/errors.ts";
import { bounded } from "./errors.ts";
import { quote } from "./quote.ts";
import type { ExecOptions, ExecResult, RemoteFile } from "./types.ts";

/** Runs a command; a SshConnection's `exec`. */
export type Exec = (command: string, options: ExecOptions) => Promise<ExecResult>;

const COMPARE_TIMEOUT_MS = 120_000;
/** Slower lines than this (bytes per second) are given up on. */
const SLOWEST_BYTES_PER_SECOND = 32 * 1024;
/** Read size of one `dd` call. */
const BLOCK = 1024 * 1024;
const MARKER = "pulumi-clore-files";

interface Wanted {
  path: string;
  content: Buffer;
  mode: number;
  owner: string | undefined;
}

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
  // `sh` reads the script from stdin, so that its length is bounded by no argument limit.
  const seen = await exec("sh", { stdin: compareScript(wanted), timeoutMs: COMPARE_TIMEOUT_MS, signal });
  const states = parseComparison(seen.stdout, wanted.length);
  const stale = wanted.flatMap((file, index) => (isRight(file, states[index]) ? [] : [{ file, index }]));
  if (stale.length === 0) return [];

  const changed = stale.map(({ file }) => file);
  const script = Buffer.from(writeScript(changed, randomBytes(12).toString("hex")));
  const stdin = Buffer.concat([script, ...changed.map((file) => file.content), Buffer.from(`${MARKER}\n`)]);
  const timeoutMs = COMPARE_TIMEOUT_MS + (stdin.length / SLOWEST_BYTES_PER_SECOND) * 1_000;
  const written = await exec(`eval "$(${takeBytes(script.length)})"`, { stdin, timeoutMs, signal });
  if (written.exitCode !== 0) {
    throw new CloreError("ssh.write-failed", {
      message: `files could not be written on ${where} (exit ${written.exitCode}); those that were there are as they were`,
      seen: bounded(written.stderr),
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

/** What one file on the host is like. */
export interface FileState {
  sha256: string;
  mode: number;
  /** Name and number, for user and group. */
  user: readonly string[];
  group: readonly string[];
  /** It belongs to the login user. */
  own: boolean;
}

/**
 * Prints a marker, a letter a file (`o` ours, `f` somebody else's, `-` not there, unreadable or no plain file), then digests and
 * states of the plain ones, each by one process for all files.
 */
export function compareScript(files: readonly { path: string }[]): string {
  return [
    "flags=; set --",
    'look() { if [ -f "$1" ] && [ ! -L "$1" ] && [ -r "$1" ]; then if [ -O "$1" ]; then is=o; else is=f; fi; else is=-; fi; flags=$flags$is; }',
    ...files.map(({ path }) => `look ${quote([path])}; [ $is = - ] || set -- "$@" ${quote([path])}`),
    `echo ${MARKER}; echo "$flags"`,
    "[ $# = 0 ] && exit",
    `sha256sum "$@"; stat -c '= %a %U %u %G %g' "$@"`,
    "",
  ].join("\n");
}

/** A state a file, `undefined` where it is not there or cannot be told: then it is written. */
export function parseComparison(stdout: string, count: number): (FileState | undefined)[] {
  // Login scripts may print something first.
  const lines = stdout.slice(stdout.lastIndexOf(`${MARKER}\n`)).split("\n");
  const flags = lines[1] ?? "";
  const digests = lines.flatMap((line) => /^\\?([0-9a-f]{64}) [ *]/.exec(line)?.[1] ?? []);
  const stats = lines.flatMap((line) => {
    const found = /^= ([0-7]+) (\S+) (\d+) (\S+) (\d+)$/.exec(line);
    return found ? [found] : [];
  });
  const present = [...flags].filter((flag) => flag !== "-").length;
  if (flags.length !== count || digests.length !== present || stats.length !== present) {
    return new Array(count).fill(undefined);
  }
  let next = 0;
  return [...flags].map((flag) => {
    if (flag === "-") return undefined;
    const [, mode, user, uid, group, gid] = stats[next]! as unknown as string[];
    const sha256 = digests[next++]!;
    return {
      sha256,
      mode: Number.parseInt(mode!, 8),
      user: [user!, uid!],
      group: [group!, gid!],
      own: flag === "o",
    };
  });
}

function isRight(file: Wanted, state: FileState | undefined): boolean {
  if (!state || state.mode !== file.mode) return false;
  const [user, group] = file.owner?.split(":") ?? [];
  if (user === undefined ? !state.own : !state.user.includes(user)) return false;
  if (group !== undefined && !state.group.includes(group)) return false;
  return state.sha256 === createHash("sha256").update(file.content).digest("hex");
}

/**
 * Reads the contents one after the other from stdin into new files beside the targets, and only when all are complete gives them
 * mode and owner and renames them. The marker at the end of stdin proves that no byte was lost or read twice.
 */
function writeScript(files: readonly Wanted[], nonce: string): string {
  const temps = files.map(({ path }, index) => `${folderOf(path)}.clore-${nonce}-${index}`);
  const folders = [...new Set(files.map(({ path }) => folderOf(path)))];
  return [
    "set -eC", // C: `>` makes a new file or fails, so that nothing planted at a name is written through
    "trap 'exit 1' HUP INT TERM PIPE",
    `trap 'rm -f ${quote(temps).replaceAll("'", "'\\''")}' EXIT`,
    ...folders.map(makeFolder),
    // A folder that somebody else turned into a link leads away from where we were asked to write.
    `own() { while [ "$1" != "\${1%/*}" ]; do if [ -L "$1" ]; then case $(stat -c %u "$1") in 0|$(id -u)) ;; *) echo "$1 is a link made by another user" >&2; exit 1;; esac; fi; set -- "\${1%/*}"; done; }`,
    ...folders.map((folder) => `own ${quote([folder.replace(/\/+$/, "")])}`),
    ...files.map(
      ({ path }) =>
        `[ ! -d ${quote([path])} ] || [ -L ${quote([path])} ] || { echo ${quote([path])} is a folder >&2; exit 1; }`,
    ),
    "umask 077",
    ...files.flatMap(({ content }, index) => `{ ${takeBytes(content.length)}; } >${quote([temps[index]!])}`),
    `IFS= read -r end; [ "$end" = ${MARKER} ] || { echo 'the contents arrived incomplete' >&2; exit 1; }`,
    ...grouped(files, temps, ({ owner }) => owner).map(
      ([owner, paths]) => `chown ${quote([owner, ...paths])}`,
    ),
    ...grouped(files, temps, ({ mode }) => mode.toString(8)).map(
      ([mode, paths]) => `chmod ${quote([mode, ...paths])}`,
    ),
    ...files.map(
      ({ path }, index) =>
        `[ ! -L ${quote([path])} ] || rm -f ${quote([path])}; mv -f ${quote([temps[index]!, path])}`,
    ),
    "exit 0\n",
  ].join("\n");
}

function makeFolder(folder: string): string {
  return `[ -d ${quote([folder])} ] || mkdir -p ${quote([folder])}`;
}

/** With its slash: `./`, `/etc/`. */
function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/") + 1);
}

/** Copies exactly so many bytes of stdin to stdout and reads not one more. */
function takeBytes(count: number): string {
  const whole = Math.floor(count / BLOCK);
  const rest = count % BLOCK;
  const read = (size: number, times: number) => `dd bs=${size} count=${times} iflag=fullblock 2>/dev/null`;
  const steps = [...(whole > 0 ? [read(BLOCK, whole)] : []), ...(rest > 0 ? [read(rest, 1)] : [])];
  return steps.join(" && ") || ":";
}

function grouped(
  files: readonly Wanted[],
  temps: readonly string[],
  by: (file: Wanted) => string | undefined,
): [string, string[]][] {
  const groups = new Map<string, string[]>();
  files.forEach((file, index) => {
    const key = by(file);
    if (key !== undefined) groups.set(key, [...(groups.get(key) ?? []), temps[index]!]);
  });
  return [...groups];
}
