import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, connect as tcpConnect } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { generateKeyPair } from "../../src/ssh/keypair.ts";
import type { SshTarget } from "../../src/ssh/types.ts";

/** A real OpenSSH server on loopback with its own configuration, host key and authorised key. */
export interface Sshd extends AsyncDisposable {
  target: SshTarget;
  /** `ssh-ed25519 AAAA…` of the host. */
  hostKey: string;
  /** Its key of one type. */
  hostKeyOf(type: HostKeyType): string;
  /** Temporary folder, removed at the end. */
  folder: string;
  /** Pid of the listening process. */
  pid: number;
  /** Ends the server and every session of it, as a reboot does. */
  kill(): Promise<void>;
  /** Starts it again on the same port. `newHostKey`: as a machine set up anew. */
  restart(options?: { newHostKey?: boolean }): Promise<void>;
}

export interface SshdOptions {
  /** More lines of sshd_config: `MaxSessions 2`. They win over the helper's own from `SetEnv` on. */
  config?: string[];
  /** Types of host keys it has. @default ["ed25519"] */
  hostKeys?: HostKeyType[];
}

export type HostKeyType = "ed25519" | "rsa" | "ecdsa";

/** Starts sshd as the current user (root or not). */
export async function startSshd(options: SshdOptions = {}): Promise<Sshd> {
  const folder = mkdtempSync(join(tmpdir(), "clore-sshd-"));
  const keyTypes = options.hostKeys ?? ["ed25519"];
  const pair = generateKeyPair("test");
  const port = await freePort();
  writeFileSync(join(folder, "authorized_keys"), pair.publicKey + "\n");
  const makeHostKeys = () => {
    for (const type of keyTypes) {
      const file = join(folder, `host_${type}`);
      rmSync(file, { force: true });
      execFileSync("ssh-keygen", ["-q", "-t", type, "-N", "", "-f", file]);
    }
  };
  makeHostKeys();
  writeFileSync(
    join(folder, "sshd_config"),
    [
      `Port ${port}`,
      "ListenAddress 127.0.0.1",
      ...keyTypes.map((type) => `HostKey ${join(folder, `host_${type}`)}`),
      `AuthorizedKeysFile ${join(folder, "authorized_keys")}`,
      `PidFile ${join(folder, "pid")}`,
      ...(options.config ?? []), // sshd takes the first of several lines for one thing: these win
      "SetEnv SHLVL=2", // bash then skips this machine's ~/.bashrc, which may be slow or print something
      "UsePAM no",
      "StrictModes no",
      "PasswordAuthentication no",
      "PermitRootLogin prohibit-password",
      "LogLevel VERBOSE",
      "",
    ].join("\n"),
  );
  if (process.getuid?.() === 0) execFileSync("mkdir", ["-p", "/run/sshd"]); // its privilege separation folder

  let child: ChildProcess;
  const killAtExit = () => child?.kill("SIGKILL");
  process.once("exit", killAtExit); // a test run that breaks off leaves nothing behind
  const start = async () => {
    // Not detached into the background (-D), log to a file (-E).
    child = spawn("/usr/sbin/sshd", ["-D", "-f", join(folder, "sshd_config"), "-E", join(folder, "log")], {
      stdio: "ignore",
    });
    await listening(port, () => child.exitCode !== null, join(folder, "log"));
  };
  await start();

  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const pids = descendants(child.pid!);
    const gone = once(child, "exit");
    for (const pid of [child.pid!, ...pids]) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {} // ended by itself meanwhile
    }
    await gone;
  };
  const hostKeyOf = (type: HostKeyType) =>
    readFileSync(join(folder, `host_${type}.pub`), "utf8")
      .split(" ")
      .slice(0, 2)
      .join(" ")
      .trim();

  return {
    folder,
    get hostKey() {
      return hostKeyOf(keyTypes[0]!);
    },
    hostKeyOf,
    get pid() {
      return child.pid!;
    },
    target: {
      address: "127.0.0.1",
      port,
      user: userInfo().username,
      privateKey: pair.privateKey,
      hostKey: undefined,
    },
    kill,
    async restart({ newHostKey = false } = {}) {
      await kill();
      if (newHostKey) makeHostKeys();
      await start();
    },
    async [Symbol.asyncDispose]() {
      await kill();
      process.off("exit", killAtExit);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A port nobody listens on right now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function listening(port: number, failed: () => boolean, log: string): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (failed()) break;
    const socket = tcpConnect({ port, host: "127.0.0.1" });
    const up = await new Promise<boolean>((resolve) => {
      socket.once("data", () => resolve(true)); // its greeting
      socket.once("error", () => resolve(false));
      socket.once("close", () => resolve(false));
    });
    socket.destroy();
    if (up) return;
    await delay(25);
  }
  throw new Error(`sshd did not start: ${readFileSync(log, "utf8")}`);
}

/** Children of a process and theirs: sshd's sessions and what runs in them. */
function descendants(pid: number): number[] {
  const table = execFileSync("ps", ["-eo", "pid=,ppid="], { encoding: "utf8" })
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number) as [number, number]);
  const found: number[] = [];
  const visit = (parent: number) => {
    for (const [child, of] of table) {
      if (of !== parent) continue;
      found.push(child);
      visit(child);
    }
  };
  visit(pid);
  return found;
}
