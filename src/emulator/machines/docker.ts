import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { execa } from "execa";
import { CloreError } from "../../core/errors.ts";
import { isRunning } from "../../core/is-running.ts";
import { type Look, until } from "../../core/until.ts";
import { ensureMachineImage, type Variant } from "./image.ts";
import { fakeNvidiaSmi } from "./nvidia.ts";
import type { Address, Gpu, Machine, MachineKind, MachineSpec } from "./types.ts";

/** Every container carries this label with the run it belongs to. */
export const runLabel = "pulumi-clore-emulator";
const pidLabel = "pulumi-clore-emulator.pid";

export interface DockerMachinesOptions {
  variant: Variant | ((image: string) => Variant);
  onProgress(message: string): void;
}

/** Machines as containers with real OpenSSH, on the default bridge, their ports published on 127.0.0.1 only. */
export function dockerMachines({ variant, onProgress }: DockerMachinesOptions): MachineKind {
  const run = `${process.pid}-${randomBytes(4).toString("hex")}`;
  const swept = removeOrphans();
  return {
    name: "docker",
    async start(spec) {
      await swept;
      const kind = typeof variant === "string" ? variant : variant(spec.image);
      const image = await ensureMachineImage(kind, onProgress);
      const machine = new Container(`clore-order-${run}-${spec.orderId}`, kind, spec);
      try {
        await machine.boot(image, run);
      } catch (error) {
        await machine.end();
        throw error;
      }
      return machine;
    },
    async close() {
      await removeContainers(await containers(`label=${runLabel}=${run}`));
    },
  };
}

/** What each kind of host may do beyond an unprivileged container. Plain `--privileged` is refused where a capability is missing. */
const rights: Readonly<Record<Variant, readonly string[]>> = {
  plain: [],
  supervisord: [],
  docker: nested(["-v", "/var/lib/docker"]),
  systemd: nested(["--tmpfs", "/run", "--tmpfs", "/run/lock"]),
  ollama: [],
};

/** Before the image's name and after it: what `autossh_entrypoint` makes of an image that starts no sshd. */
const autossh: Readonly<Partial<Record<Variant, { before: string[]; after: string[] }>>> = {
  ollama: {
    before: ["--entrypoint", "/bin/bash"],
    after: ["/etc/order_entrypoint.sh", "/bin/ollama", "serve"],
  },
};

function nested(more: readonly string[]): string[] {
  return [
    ...["--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE"],
    ...["--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"],
    ...["-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw"],
    ...more,
  ];
}

/** Values of an order's env go by the environment, not by argv, except those that would change the docker command itself. */
const ours = /^(PATH|HOME|DOCKER_.*|BUILDKIT_.*)$/;

class Container implements Machine {
  readonly id: string;
  readonly #variant: Variant;
  readonly #spec: MachineSpec;
  #ports = new Map<number, number>();

  constructor(id: string, variant: Variant, spec: MachineSpec) {
    this.id = id;
    this.#variant = variant;
    this.#spec = spec;
  }

  async boot(image: string, run: string): Promise<void> {
    const { ports, env, diskFull, sshKey, sshPassword, gpus } = this.#spec;
    const publish = [22, ...ports].flatMap((port) => ["-p", `127.0.0.1::${port}`]);
    const full = diskFull ? ["/root", "/opt"].flatMap((path) => ["--tmpfs", `${path}:size=64k,exec`]) : [];
    const args = [
      ...["run", "-d", "--name", this.id, "--hostname", `clore-${this.#spec.orderId}`],
      ...["--label", `${runLabel}=${run}`, "--label", `${pidLabel}=${process.pid}`],
      ...["--add-host", "host.docker.internal:host-gateway", "--memory", "2g"],
      ...publish,
      ...full,
      ...rights[this.#variant],
      ...Object.entries(env).flatMap(([name, value]) => ["-e", ours.test(name) ? `${name}=${value}` : name]),
      ...(autossh[this.#variant]?.before ?? []),
      image,
      ...(autossh[this.#variant]?.after ?? []),
    ];
    await docker(args, { env: Object.fromEntries(Object.entries(env).filter(([name]) => !ours.test(name))) });
    if (sshKey)
      await this.#sh("umask 077; mkdir -p /root/.ssh; cat > /root/.ssh/authorized_keys", `${sshKey}\n`);
    if (sshPassword) await this.#sh("chpasswd", `root:${sshPassword}\n`);
    if (gpus.length > 0) await this.setGpus(gpus);
    await this.#comeUp();
  }

  target(containerPort: number): Address | undefined {
    const port = this.#ports.get(containerPort);
    return port === undefined ? undefined : { host: "127.0.0.1", port };
  }

  async changeHostKey(): Promise<void> {
    await this.#sh(
      "cd /etc/ssh && rm -f ssh_host_ed25519_key* && ssh-keygen -q -t ed25519 -N '' -f ssh_host_ed25519_key && kill -HUP $(cat /run/sshd.pid)",
    );
    await this.#awaitBanner();
  }

  async lockOut(): Promise<void> {
    await this.#sh("rm -f /root/.ssh/authorized_keys; passwd -q -l root");
  }

  async setGpus(gpus: readonly Gpu[]): Promise<void> {
    await this.#sh("cat > /usr/bin/nvidia-smi && chmod 755 /usr/bin/nvidia-smi", fakeNvidiaSmi(gpus));
  }

  async killProcesses(): Promise<void> {
    await this.#sh(killAll);
  }

  async reboot(): Promise<void> {
    this.#ports = new Map();
    await docker(["restart", "-t", "1", this.id]);
    await this.#comeUp();
  }

  async end(): Promise<void> {
    this.#ports = new Map();
    await removeContainers([this.id]);
  }

  /** Waits for sshd, then starts the order's command. Docker gives a published port a new number at each start. */
  async #comeUp(): Promise<void> {
    await this.#awaitBanner();
    this.#ports = await this.#published();
    if (this.#spec.command)
      await docker(["exec", "-d", "-w", "/root", this.id, "/bin/sh", "-c", this.#spec.command]);
  }

  async #published(): Promise<Map<number, number>> {
    const { stdout } = await docker(["port", this.id]);
    const ports = new Map<number, number>();
    for (const [, container, host] of stdout.matchAll(/^(\d+)\/tcp -> 127\.0\.0\.1:(\d+)$/gm)) {
      ports.set(Number(container), Number(host));
    }
    return ports;
  }

  async #awaitBanner(): Promise<void> {
    const look = async (): Promise<Look<true>> => {
      const port = (await this.#published()).get(22);
      if (port !== undefined && (await hasBanner(port))) return { done: true, value: true };
      return { done: false, seen: port === undefined ? "port 22 is not published" : "no SSH banner" };
    };
    await until(look, { what: `sshd in ${this.id}`, deadlineMs: 60_000, everyMs: 100 });
  }

  async #sh(script: string, input = ""): Promise<void> {
    await docker(["exec", "-i", this.id, "/bin/sh", "-c", script], { input });
  }
}

/** Ends all but PID 1, the process that listens for SSH, what keeps the host itself going, and this shell. */
const killAll = `for folder in /proc/[0-9]*; do
  pid=\${folder#/proc/}
  [ "$pid" = 1 ] || [ "$pid" = $$ ] && continue
  case "$(tr '\\0' ' ' < $folder/cmdline 2>/dev/null)" in
    *"sshd -D"*|*sshd*listener*|*systemd*|*dbus-daemon*) continue ;;
  esac
  kill -9 "$pid" 2>/dev/null
done
true`;

function hasBanner(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(2000, () => end(false));
    socket.on("error", () => end(false));
    socket.on("close", () => end(false));
    socket.once("data", (data) => end(data.toString("latin1").startsWith("SSH-")));
  });
}

/** Containers of emulators that were killed are removed by the next one that starts. */
async function removeOrphans(): Promise<void> {
  const format = `{{.ID}} {{.Label "${pidLabel}"}}`;
  const { stdout } = await execa(
    "docker",
    ["ps", "-a", "--filter", `label=${pidLabel}`, "--format", format],
    { reject: false },
  );
  const orphans = stdout
    .split("\n")
    .map((line) => line.split(" "))
    .filter(([id, pid]) => id && pid && !isRunning(Number(pid)));
  await removeContainers(orphans.map(([id]) => id!));
}

async function containers(filter: string): Promise<string[]> {
  const { stdout } = await docker(["ps", "-aq", "--filter", filter]);
  return stdout.split("\n").filter(Boolean);
}

async function removeContainers(names: readonly string[]): Promise<void> {
  for (const name of names) {
    const { exitCode, stderr } = await execa("docker", ["rm", "-f", "-v", name], {
      reject: false,
      timeout: 60_000,
    });
    if (exitCode !== 0 && !/no such container|already in progress/i.test(stderr))
      throw dockerError("rm", stderr);
  }
}

async function docker(
  args: readonly string[],
  options: { input?: string; env?: Readonly<Record<string, string>> } = {},
) {
  const result = await execa("docker", args, {
    reject: false,
    timeout: 120_000,
    env: options.env ?? {},
    ...(options.input === undefined ? { stdin: "ignore" as const } : { input: options.input }),
  });
  if (result.exitCode !== 0) throw dockerError(args[0]!, result.stderr || result.shortMessage || "");
  return result;
}

function dockerError(what: string, seen: string): CloreError {
  return new CloreError("emulator.docker", {
    message: `docker ${what} failed`,
    seen: seen.trim().split("\n").slice(-4).join("\n"),
    hint: "check `docker info`, or use --machines sandbox, which needs no Docker",
    retry: "later",
  });
}
