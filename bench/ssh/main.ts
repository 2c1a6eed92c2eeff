/**
 * 20 ordinary provisioning steps (steps.ts) by our layer, by plain ssh with ControlMaster, by Ansible and by pyinfra:
 * first run and re-run, on loopback and with 40 ms of delay each way, against a real sshd. Needs sshd and python3.
 *
 *   node bench/ssh/main.ts [--rounds 7] [--slow-rounds 3] [--only ours,ssh]
 *
 * Each run is a process of its own and its start counts. Tools alternate within a round; medians are printed.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { cacheDirectory } from "../../src/core/state-directory.ts";
import { startRelay } from "../../test/support/relay.ts";
import { startSshd } from "../../test/support/sshd.ts";
import { ansible } from "./ansible.ts";
import { endProcesses, programsRunning, stateOf } from "./host.ts";
import { plainSsh } from "./plain.ts";
import { pyinfra } from "./pyinfra.ts";
import { bigContent, steps as stepsBelow } from "./steps.ts";
import type { Run, Site } from "./tool.ts";

const DELAY_MS = 40;
const PEERS = ["ansible-core==2.19.14", "pyinfra==3.10.0"];

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "7" },
    "slow-rounds": { type: "string", default: "3" },
    only: { type: "string", default: "ours,ssh,ansible,ansible-tuned,pyinfra" },
  },
});
const only = options.only.split(",");
const rounds = { quick: Number(options.rounds), slow: Number(options["slow-rounds"]) };
const venv = join(cacheDirectory(process.env), "bench", "peers");

interface Tool {
  name: string;
  title: string;
  /** Takes many seconds: fewer rounds. */
  slow: boolean;
  prepare: (site: Site) => Run;
}

const all: readonly Tool[] = [
  { name: "ours", title: "ours", slow: false, prepare: ours },
  { name: "ssh", title: "ssh, ControlMaster", slow: false, prepare: plainSsh },
  { name: "ansible", title: "Ansible, defaults", slow: true, prepare: (site) => ansible(site, venv, false) },
  {
    name: "ansible-tuned",
    title: "Ansible, tuned",
    slow: true,
    prepare: (site) => ansible(site, venv, true),
  },
  { name: "pyinfra", title: "pyinfra", slow: true, prepare: (site) => pyinfra(site, venv) },
];
const tools = all.filter(({ name }) => only.includes(name));

if (tools.some(({ slow }) => slow)) installPeers();
const base = mkdtempSync(join(tmpdir(), "cb-")); // short: sockets lie in it
const home = mkdtempSync(join(tmpdir(), "clore-bench-host-"));
const root = join(home, "app");
/** What the first run of all left behind. */
let made: string | undefined;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    cleanUp();
    process.exit(1);
  });
}
try {
  await measure();
} finally {
  cleanUp();
}

function cleanUp(): void {
  endProcesses(home);
  rmSync(home, { recursive: true, force: true });
  rmSync(base, { recursive: true, force: true });
}

async function measure(): Promise<void> {
  await using sshd = await startSshd({
    config: [
      // sshd itself takes the home from the system's accounts.
      `ForceCommand export HOME=${home}; cd ${home} && exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"`,
      "Subsystem sftp /usr/lib/openssh/sftp-server",
    ],
  });
  await using far = await startRelay(sshd.target.port, { delayMs: DELAY_MS });
  const lines = [
    { title: "loopback", port: sshd.target.port },
    { title: `${DELAY_MS} ms each way`, port: far.port },
  ];
  const target = { ...sshd.target, hostKey: sshd.hostKey };
  const steps = stepsBelow(root, bigContent());
  const contents = new Map<number, string>();
  steps.forEach((step, index) => {
    if (!("file" in step)) return;
    contents.set(index, join(base, `content-${index}`));
    writeFileSync(join(base, `content-${index}`), step.content);
  });
  const keyFile = join(base, "key");
  writeFileSync(keyFile, target.privateKey, { mode: 0o600 });

  const sshVersion = spawnSync("ssh", ["-V"], { encoding: "utf8" }).stderr.split(",")[0];
  console.log(`node ${process.version}, ${sshVersion}, ${PEERS.join(", ")}`);
  console.log(`${cpus().length} × ${cpus()[0]?.model ?? "?"}, load ${loadavg()[0]?.toFixed(1)}`);
  for (const [at, line] of lines.entries()) {
    const knownHosts = join(base, `known-${at}`);
    writeFileSync(knownHosts, `[127.0.0.1]:${line.port} ${sshd.hostKey}\n`);
    const runs = tools.map((tool, index) => {
      const work = join(base, `${at}${index}`);
      mkdirSync(work);
      const site: Site = {
        target: { ...target, port: line.port },
        steps,
        contents,
        keyFile,
        knownHosts,
        work,
      };
      return { ...tool, run: tool.prepare(site), first: [] as number[], again: [] as number[] };
    });
    for (let round = 0; round < Math.max(rounds.quick, rounds.slow); round++) {
      for (const tool of runs) {
        if (round >= (tool.slow ? rounds.slow : rounds.quick)) continue;
        await reset();
        tool.first.push(await timed(tool.run));
        checkMade(tool.title);
        tool.again.push(await timed(tool.run));
        checkMade(tool.title);
      }
    }
    report(line.title, runs);
  }
}

async function reset(): Promise<void> {
  endProcesses(home);
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home);
}

/** Seconds of one run. The event loop stays free: the relay runs in this process. */
async function timed({ command, env, after }: Run): Promise<number> {
  const start = performance.now();
  const child = spawn(command[0]!, command.slice(1), {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += data));
  const [code] = await once(child, "exit");
  const seconds = (performance.now() - start) / 1_000;
  if (after) spawnSync(after[0]!, after.slice(1));
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}:\n${output.slice(-3_000)}`);
  return seconds;
}

/** Every tool has to leave the same behind, and one running program. */
function checkMade(title: string): void {
  const now = stateOf(root);
  made ??= now;
  if (now !== made) throw new Error(`${title} made something else:\n${now}\n\nthan the others:\n${made}`);
  const running = programsRunning(home);
  if (running !== 1) throw new Error(`${title} left ${running} programs running`);
}

function report(
  title: string,
  runs: readonly { name: string; title: string; first: number[]; again: number[] }[],
): void {
  const rival = runs.find(({ name }) => name === "ssh");
  const columns = (values: number[], against: number[] | undefined) => {
    const ratio = against ? `${(median(values) / median(against)).toFixed(2)} ×` : "";
    return `${median(values).toFixed(2).padStart(8)} s ${ratio.padStart(8)}`;
  };
  console.log(
    `\n${title.padEnd(20)} ${"first run".padStart(19)} ${"re-run".padStart(19)}   (× of ssh, ControlMaster)`,
  );
  for (const { title, first, again } of runs) {
    console.log(
      `${title.padEnd(20)} ${columns(first, rival?.first)} ${columns(again, rival?.again)}   ${first.length} rounds`,
    );
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)]! + sorted[Math.ceil((sorted.length - 1) / 2)]!) / 2;
}

function ours({ target, steps, contents, work }: Site): Run {
  const file = join(work, "site.json");
  const bare = steps.map((step) => ("file" in step ? { ...step, content: undefined } : step));
  writeFileSync(file, JSON.stringify({ target, steps: bare, contents: [...contents] }), { mode: 0o600 });
  return { command: [process.execPath, join(import.meta.dirname, "ours.mjs"), file] };
}

/** Into a virtual environment in the cache, once a version. */
function installPeers(): void {
  const stamp = join(venv, "peers.txt");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === PEERS.join("\n")) return;
  rmSync(venv, { recursive: true, force: true });
  mkdirSync(venv, { recursive: true });
  execFileSync("python3", ["-m", "venv", venv]);
  execFileSync(join(venv, "bin/pip"), ["install", "--quiet", ...PEERS], { stdio: "inherit" });
  writeFileSync(stamp, PEERS.join("\n"));
}
