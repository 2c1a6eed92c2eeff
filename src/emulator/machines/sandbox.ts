import { spawn } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fakeNvidiaSmi } from "./nvidia.ts";
import { endProcesses, marker } from "./processes.ts";
import { SandboxSsh } from "./sandboxssh.ts";
import { linkTools } from "./tools.ts";
import type { Address, Gpu, Machine, MachineKind, MachineSpec } from "./types.ts";

type OnCommand = (spec: MachineSpec, command: string | undefined) => void;

/** How long a restarting machine stays away, in milliseconds. */
const rebootMs = 1500;

/**
 * Machines without root and without Docker: an SSH server in this process, a shell in a temporary folder.
 * They share the network with the laptop (two machines cannot both use one port), and writing outside their folder
 * is up to the user's rights, so only software that is trusted should run there.
 * @param onCommand is told of every command that comes over SSH, before it is started
 */
export function sandboxMachines(folder: string, onCommand?: OnCommand): MachineKind {
  let tools: Promise<string> | undefined;
  return {
    name: "sandbox",
    async start(spec) {
      tools ??= (async () => {
        const path = join(folder, "tools");
        const system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        await linkTools(path, `${dirname(process.execPath)}:${process.env.PATH ?? ""}:${system}`);
        return path;
      })();
      const machine = new Sandbox(
        await mkdtemp(join(folder, `machine-${spec.orderId}-`)),
        await tools,
        spec,
        onCommand,
      );
      await machine.boot();
      return machine;
    },
    async close() {
      await tools;
      await rm(join(folder, "tools"), { recursive: true, force: true });
    },
  };
}

class Sandbox implements Machine {
  readonly id: string;
  readonly #spec: MachineSpec;
  readonly #env: NodeJS.ProcessEnv;
  readonly #groups = new Set<number>();
  readonly #ssh: SandboxSsh;
  #up = false;
  #ended = false;

  constructor(folder: string, tools: string, spec: MachineSpec, onCommand?: OnCommand) {
    this.id = folder;
    this.#spec = spec;
    const home = join(folder, "home");
    this.#env = {
      ...spec.env,
      HOME: home,
      USER: "root",
      LOGNAME: "root",
      SHELL: "/bin/sh",
      LANG: "C.UTF-8",
      TMPDIR: join(folder, "tmp"),
      PATH: `${join(folder, "bin")}:${tools}`,
      [marker]: folder,
    };
    this.#ssh = new SandboxSsh({
      key: spec.sshKey,
      password: spec.sshPassword,
      socketFolder: folder,
      run: (command) => {
        onCommand?.(spec, command);
        const child = spawn("/bin/sh", command === undefined ? [] : ["-c", command], {
          cwd: home,
          env: this.#env,
          detached: true,
          stdio: "pipe",
        });
        const { pid } = child;
        if (pid !== undefined) this.#groups.add(pid);
        return child;
      },
    });
  }

  async boot(): Promise<void> {
    for (const name of ["home", "tmp", "bin"])
      await mkdir(join(this.id, name), { recursive: true, mode: 0o700 });
    await this.setGpus(this.#spec.gpus);
    if (this.#spec.diskFull) await this.#script("df", fullDisk);
    await this.#ssh.listen();
    this.#up = true;
    this.#startCommand();
  }

  target(containerPort: number): Address | undefined {
    if (!this.#up) return undefined;
    return { host: "127.0.0.1", port: containerPort === 22 ? this.#ssh.port : containerPort };
  }

  async changeHostKey(): Promise<void> {
    await this.#ssh.renewKey();
  }

  async lockOut(): Promise<void> {
    this.#ssh.locked = true;
  }

  async setGpus(gpus: readonly Gpu[]): Promise<void> {
    // A server sold without GPU has no nvidia-smi at all; one whose GPU is gone has one that fails.
    if (this.#spec.gpus.length > 0) await this.#script("nvidia-smi", fakeNvidiaSmi(gpus));
  }

  async killProcesses(): Promise<void> {
    await endProcesses(this.id, this.#groups);
    this.#groups.clear();
  }

  async reboot(): Promise<void> {
    this.#up = false;
    this.#ssh.drop();
    await this.killProcesses();
    setTimeout(() => {
      if (this.#ended) return;
      this.#up = true;
      this.#startCommand();
    }, rebootMs);
  }

  async end(): Promise<void> {
    this.#ended = true;
    this.#up = false;
    await this.#ssh.close();
    await this.killProcesses();
    await rm(this.id, { recursive: true, force: true });
  }

  #startCommand(): void {
    if (!this.#spec.command) return;
    const child = spawn("/bin/sh", ["-c", this.#spec.command], {
      cwd: this.#env.HOME,
      env: this.#env,
      detached: true,
      stdio: "ignore",
    });
    child.on("error", () => {}); // like on a real host: a command that cannot start is the renter's to notice
    if (child.pid !== undefined) this.#groups.add(child.pid);
    child.unref();
  }

  async #script(name: string, text: string): Promise<void> {
    const path = join(this.id, "bin", name);
    await writeFile(path, text);
    await chmod(path, 0o755);
  }
}

/** Says that nothing is free. Writing still works in a sandbox: without root there is no honest way to fill a disk. */
const fullDisk = `#!/bin/sh
echo "Filesystem 1024-blocks Used Available Capacity Mounted on"
echo "overlay 104857600 104857600 0 100% /"
`;
