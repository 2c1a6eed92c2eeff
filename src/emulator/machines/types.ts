/** One GPU as nvidia-smi shows it. */
export interface Gpu {
  /** Full name: "NVIDIA GeForce RTX 3090". */
  name: string;
  vramGb: number;
}

/** What a machine is made from: an order and the server's promises. */
export interface MachineSpec {
  orderId: number;
  serverId: number;
  image: string;
  gpus: readonly Gpu[];
  /** OpenSSH public key that may log in as root. */
  sshKey: string | undefined;
  sshPassword: string | undefined;
  /** Container ports to publish, beside 22. */
  ports: readonly number[];
  env: Readonly<Record<string, string>>;
  /** Started in the background once the machine is up. */
  command: string | undefined;
  /** The disk holds next to nothing. */
  diskFull: boolean;
}

export interface Address {
  host: string;
  port: number;
}

/** A machine behind an order. Both kinds speak real SSH and run real processes. */
export interface Machine {
  /** Folder or container name, for the ledger. */
  readonly id: string;
  /** Where a container port is to be reached at the moment; `undefined` while the machine is down. */
  target(containerPort: number): Address | undefined;
  /** A new host key for connections from now on. */
  changeHostKey(): Promise<void>;
  /** No key and no password is accepted any more. */
  lockOut(): Promise<void>;
  setGpus(gpus: readonly Gpu[]): Promise<void>;
  /** Ends every process but the one that lets people in. */
  killProcesses(): Promise<void>;
  /** Everything ends, connections too; files stay; it comes back by itself. */
  reboot(): Promise<void>;
  /** Ends every process and removes every trace. Safe to call twice. */
  end(): Promise<void>;
}

export interface MachineKind {
  readonly name: "sandbox" | "docker" | "none";
  start(spec: MachineSpec): Promise<Machine>;
  /** Removes what all its machines shared. */
  close(): Promise<void>;
}
