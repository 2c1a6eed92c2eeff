import { quote } from "./quote.ts";

/** Read size of one `dd` call. */
const BLOCK = 1024 * 1024;
const MARKER = "pulumi-clore-files";
/** Follows the contents on stdin: it proves that no byte was lost or read twice. */
export const END = `${MARKER}\n`;

/** A file as it should be. The path begins with `/` or `./`, so that it never looks like an option. */
export interface Wanted {
  path: string;
  content: Buffer;
  mode: number;
  owner: string | undefined;
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

/**
 * `folder` makes a folder unless the way there goes through a link that another user (but root) made: that leads away from where we
 * were asked to write. `place` renames, and takes a link at the target away first, because `mv` would go into a linked folder.
 */
const FUNCTIONS = `
fail() { printf '%s\\n' "$*" >&2; exit 1; }
ours() {
  while :; do
    if [ -L "$1" ]; then
      case $(stat -c %u "$1") in 0|$(id -u)) ;; *) fail "$1 is a link made by another user";; esac
    fi
    case $1 in */*) set -- "\${1%/*}";; *) return 0;; esac
  done
}
folder() { ours "\${1%/}"; [ -d "$1" ] || mkdir -p "$1"; }
free() { [ ! -d "$1" ] || [ -L "$1" ] || fail "$1 is a folder"; }
place() { if [ -L "$2" ]; then rm -f "$2"; fi; mv -f "$1" "$2"; }
`.trim();

/**
 * Reads the contents one after the other from stdin into new files beside the targets; only when all are complete gives them
 * owner and mode and renames them. `nonce` makes the names unguessable.
 */
export function writeScript(files: readonly Wanted[], nonce: string): string {
  const temps = files.map(({ path }, index) => `${folderOf(path)}.clore-${nonce}-${index}`);
  const folders = [...new Set(files.map(({ path }) => folderOf(path)))];
  return [
    "set -eC", // C: `>` makes a new file or fails, so that nothing planted at a name is written through
    `clean() { rm -f ${quote(temps)} 2>/dev/null; }`,
    "trap clean EXIT; trap 'exit 1' HUP INT TERM PIPE",
    FUNCTIONS,
    ...folders.map((folder) => `folder ${quote([folder])}`),
    ...files.map(({ path }) => `free ${quote([path])}`),
    "umask 077",
    ...files.map(({ content }, index) => `{ ${takeBytes(content.length)}; } >${quote([temps[index]!])}`),
    `IFS= read -r end || :; [ "$end" = ${MARKER} ] || fail the contents arrived incomplete`,
    ...grouped(files, temps, ({ owner }) => owner).map((args) => `chown ${quote(args)}`),
    ...grouped(files, temps, ({ mode }) => mode.toString(8)).map((args) => `chmod ${quote(args)}`),
    ...files.map(({ path }, index) => `place ${quote([temps[index]!, path])}`),
    "exit 0\n",
  ].join("\n");
}

/** Copies exactly so many bytes of stdin to stdout and reads not one more, as `head -c` does on some hosts. */
export function takeBytes(count: number): string {
  const whole = Math.floor(count / BLOCK);
  const rest = count % BLOCK;
  const read = (size: number, times: number) => `dd bs=${size} count=${times} iflag=fullblock`;
  const steps = [...(whole > 0 ? [read(BLOCK, whole)] : []), ...(rest > 0 ? [read(rest, 1)] : [])];
  return steps.join("; ") || ":";
}

/** With its slash: `./`, `/etc/`. */
function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/") + 1);
}

/** One argument list for each value, so that one process serves all files that share it. */
function grouped(
  files: readonly Wanted[],
  temps: readonly string[],
  by: (file: Wanted) => string | undefined,
): string[][] {
  const lists = Map.groupBy(temps, (_, index) => by(files[index]!));
  lists.delete(undefined);
  return [...lists].map(([value, paths]) => [value!, ...paths]);
}
