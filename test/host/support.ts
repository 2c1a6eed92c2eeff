import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeAll } from "../../src/host/layout.ts";
import type { HostFacts } from "../../src/host/types.ts";
import { connect } from "../../src/ssh/connect.ts";
import type { SshConnection, SshTarget } from "../../src/ssh/types.ts";
import { startSshd } from "../support/sshd.ts";

/** A real host on loopback whose login user has a home of the test's own. */
export interface TestHost extends AsyncDisposable {
  ssh: SshConnection;
  target: SshTarget;
  /** Another connection to the same host. */
  login(): Promise<SshConnection>;
  home: string;
  /** Ends every SSH session and the server, as the loss of the line does. */
  cutLine(): Promise<void>;
}

/** `env` is set in every session: a PATH that hides tools, for instance. */
export async function startHost(env: Record<string, string> = {}): Promise<TestHost> {
  const home = mkdtempSync(join(tmpdir(), "clore-host-"));
  const variables = Object.entries({ HOME: home, ...env }).map(([key, value]) => `${key}=${value}`);
  const sshd = await startSshd({
    config: [
      // sshd itself takes the home from the system's accounts.
      `ForceCommand export ${variables.join(" ")}; cd ${home} && exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"`,
      "MaxStartups 100",
    ],
  });
  const login = () => connect(sshd.target, { timeoutMs: 10_000 });
  const ssh = await login();
  return {
    ssh,
    target: sshd.target,
    login,
    home,
    async cutLine() {
      await sshd.kill();
      await sshd.restart();
    },
    async [Symbol.asyncDispose]() {
      await removeAll(ssh).catch(async () => removeAll(await login()));
      await ssh.close();
      await sshd[Symbol.asyncDispose]();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** Counts the round trips of a connection: each exec is one. */
export function countingExecs(ssh: SshConnection): { ssh: SshConnection; count: () => number } {
  let count = 0;
  const counted = new Proxy(ssh, {
    get(target, key) {
      const value = Reflect.get(target, key, target);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        if (key === "exec" || key === "writeFiles") count++;
        return value.apply(target, args);
      };
    },
  });
  return { ssh: counted, count: () => count };
}

/** Whether a process is there and no zombie. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** An ordinary rental: an unprivileged container with one RTX 3060. */
export const rental: HostFacts = {
  os: { id: "ubuntu", version: "24.04", prettyName: "Ubuntu 24.04" },
  arch: "x86_64",
  kernel: "6.8.0",
  cpuThreads: 16,
  ramGb: 62.7,
  disk: { totalGb: 100, freeGb: 80 },
  gpus: [{ name: "NVIDIA GeForce RTX 3060", vramGb: 12, driver: "550.54.14" }],
  pid1: "bash",
  user: "root",
  home: "/root",
  isRoot: true,
  canSudo: false,
  systemd: false,
  supervisord: false,
  docker: { cli: false, socket: undefined, works: false, version: undefined },
  privileged: false,
  tools: ["curl", "tar", "gzip", "apt-get", "setsid"],
  nodeVersion: undefined,
};
