// Runs a TypeScript tool of this repository on Node 24, whatever Node (18 or newer) is on the machine:
//   node tools/run.mjs tools/start.ts --keep
// Installs the dependencies of the lock file first when they are not there. Plain JavaScript without dependencies.
import { spawn } from "node:child_process";
import { existsSync, lstatSync, readFileSync, symlinkSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { withLock } from "./setup/lock.mjs";
import { terminalLog, withSeconds } from "./setup/progress.mjs";

const root = resolve(fileURLToPath(import.meta.url), "..", "..");

/** Why this machine cannot run the project at all, or undefined. */
export function unsupported(nodeVersion, platform) {
  if (Number.parseInt(nodeVersion, 10) < 18) {
    return `Node ${nodeVersion} is too old: any Node from 18 on will do (https://nodejs.org). Node 24, on which everything runs, is then fetched by itself.`;
  }
  if (platform === "win32")
    return "Windows is supported through WSL only: run the same command in a WSL shell.";
  return undefined;
}

/**
 * Whether what is installed is what the lock file says. npm writes its hidden lock as the last step of an install, so a
 * half-finished one does not count; optional packages (for other platforms) may be absent.
 */
export function isInstalled(lock, hiddenLock) {
  if (!hiddenLock) return false;
  return Object.entries(lock.packages).every(([path, wanted]) => {
    if (path === "") return true;
    const there = hiddenLock.packages[path];
    return there ? there.version === wanted.version : Boolean(wanted.optional || wanted.devOptional);
  });
}

/** What to say when npm finished, but a package that sets itself up by an install script did not. */
export function scriptsBlocked(ignoreScripts) {
  const why = ignoreScripts
    ? "npm's setting ignore-scripts is on"
    : "npm did not run its install script (see `npm install-scripts ls`)";
  return `The package "node" brought no Node 24: ${why}. Allow it for the two packages that need it:\n  npm rebuild node esbuild --ignore-scripts=false`;
}

async function main() {
  const problem = unsupported(process.versions.node, process.platform);
  if (problem) fail(problem);
  if (process.argv.length < 3) fail("usage: node tools/run.mjs <script.ts> [arguments]");
  await install();
  run(process.argv[2], process.argv.slice(3));
}

async function install() {
  if (upToDate()) return linkOwnCommand();
  const log = terminalLog();
  const lockFile = join(root, ".clore", "install.lock");
  await withLock(
    lockFile,
    () => log.status("waiting for another run that installs the dependencies"),
    async () => {
      if (upToDate()) return;
      const output = [];
      const code = await withSeconds(log, () => "installing dependencies (npm ci, once)", npmCi(output));
      log.clear();
      if (code !== 0)
        fail(`npm ci failed (exit ${code}):\n${output.join("").trimEnd().split("\n").slice(-30).join("\n")}`);
    },
  );
  if (!existsSync(nodePath())) fail(scriptsBlocked(process.env.npm_config_ignore_scripts === "true"));
  linkOwnCommand();
}

function upToDate() {
  const hidden = readJson(join(root, "node_modules", ".package-lock.json"));
  return isInstalled(readJson(join(root, "package-lock.json")), hidden) && existsSync(nodePath());
}

function npmCi(output) {
  // --include=dev: with NODE_ENV=production npm would leave out Node 24 itself.
  const args = ["ci", "--include=dev", "--no-audit", "--no-fund", "--loglevel=error"];
  const cli = process.env.npm_execpath;
  const npm =
    cli && /\.c?js$/.test(cli) && cli.includes("npm") ? [process.execPath, [cli, ...args]] : ["npm", args];
  return new Promise((resolve) => {
    const child = spawn(npm[0], npm[1], { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk) => output.push(String(chunk)));
    const forward = (signal) => child.kill(signal);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, forward);
    child.on("error", (error) => fail(`npm could not be started: ${error.message}`));
    child.on("close", (code, signal) => {
      for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) process.off(name, forward);
      resolve(signal ?? code);
    });
  });
}

function run(script, args) {
  const bin = join(root, "node_modules", ".bin");
  const child = spawn(nodePath(), [resolve(script), ...args], {
    stdio: "inherit",
    env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ""}` },
  });
  // A Ctrl-C at a terminal reaches the whole process group, so the child as well: passing it on would count twice.
  const atTerminal = [process.stdin, process.stdout, process.stderr].some((stream) => stream.isTTY);
  process.on("SIGINT", () => atTerminal || child.kill("SIGINT"));
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => fail(`${nodePath()}: ${error.message}`));
  child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

// npx finds a project's own command only when it is linked among the installed ones.
function linkOwnCommand() {
  const link = join(root, "node_modules", ".bin", "clore");
  if (!lstatSync(link, { throwIfNoEntry: false })) symlinkSync(join("..", "..", "bin", "clore"), link);
}

function nodePath() {
  return join(root, "node_modules", ".bin", "node");
}

function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) void main();
