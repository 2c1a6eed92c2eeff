import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import ssh2 from "ssh2";
import { dockerMachines } from "../../src/emulator/machines/docker.ts";
import { Front } from "../../src/emulator/machines/front.ts";
import { newHostKey } from "../../src/emulator/machines/hostkey.ts";
import type { Variant } from "../../src/emulator/machines/image.ts";
import type { Line } from "../../src/emulator/machines/line.ts";
import { sandboxMachines } from "../../src/emulator/machines/sandbox.ts";
import type { Gpu, Machine } from "../../src/emulator/machines/types.ts";

export interface TestMachineOptions {
  /** @default "sandbox" */
  kind?: "sandbox" | "docker";
  /** For docker. @default "plain" */
  variant?: Variant;
  /** @default one RTX 3090 with 24 GB */
  gpus?: readonly Gpu[];
  /** Container ports to be reached at `port(n)`, beside 22. */
  ports?: readonly number[];
  /** Container port behind `httpUrl`. */
  httpPort?: number;
  diskFull?: boolean;
  env?: Record<string, string>;
  command?: string;
}

/** A machine without an order: for tests of what runs over SSH. */
export interface TestMachine extends AsyncDisposable {
  address: "127.0.0.1";
  /** Of SSH, behind `line`. */
  port: number;
  user: "root";
  privateKey: string;
  publicKey: string;
  /** What can go wrong on the way: `await machine.line.set({ reset: true })`. */
  line: Line;
  /** What can go wrong on the host: reboot, killProcesses, changeHostKey, setGpus, lockOut. */
  machine: Machine;
  /** Public port of another container port. */
  portOf(containerPort: number): number;
  httpUrl: string | undefined;
  close(): Promise<void>;
}

/** Starts one machine with real SSH. Close it, or `await using`. */
export async function startMachine(options: TestMachineOptions = {}): Promise<TestMachine> {
  const {
    kind = "sandbox",
    variant = "plain",
    ports = [],
    httpPort,
    gpus = [rtx3090],
    env = {},
    command,
  } = options;
  const { privateKey, publicKey } = newKeyPair();
  const folder = await mkdtemp(join(tmpdir(), "clore-machine-"));
  const machines =
    kind === "docker" ? dockerMachines({ variant, onProgress: () => {} }) : sandboxMachines(folder);
  const front = new Front([22, ...ports], httpPort, () => true);
  const close = async (): Promise<void> => {
    await front.close();
    await front.machine?.end();
    await machines.close();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await front.open();
    front.machine = await machines.start({
      orderId: 1,
      serverId: 1,
      image: "test",
      gpus,
      sshKey: publicKey,
      sshPassword: undefined,
      ports: httpPort === undefined ? ports : [...ports, httpPort],
      env,
      command,
      diskFull: options.diskFull ?? false,
    });
  } catch (error) {
    await close();
    throw error;
  }
  return {
    address: "127.0.0.1",
    port: front.ssh!.port,
    user: "root",
    privateKey,
    publicKey,
    line: front.ssh!,
    machine: front.machine,
    portOf: (port) => front.lines.get(port)!.port,
    httpUrl: front.http ? `http://127.0.0.1:${front.http.port}` : undefined,
    close,
    [Symbol.asyncDispose]: close,
  };
}

export const rtx3090: Gpu = { name: "NVIDIA GeForce RTX 3090", vramGb: 24 };

/** An ed25519 pair in OpenSSH form. */
export function newKeyPair(): { privateKey: string; publicKey: string } {
  const privateKey = newHostKey();
  const parsed = ssh2.utils.parseKey(privateKey);
  if (parsed instanceof Error) throw parsed;
  return { privateKey, publicKey: `ssh-ed25519 ${parsed.getPublicSSH().toString("base64")}` };
}
