/** What one probe of a server found. Everything is observed on the host; a hostile host can lie. */
export interface HostFacts {
  os: { id: string; version: string; prettyName: string };
  /** As `uname -m` says: `x86_64`, `aarch64`. */
  arch: string;
  kernel: string;
  cpuThreads: number;
  ramGb: number;
  /** Size and free space of the file system that holds our folder. */
  disk: { totalGb: number; freeGb: number };
  gpus: readonly { name: string; vramGb: number; driver: string | undefined }[];
  /** Command name of process 1. */
  pid1: string;
  user: string;
  home: string;
  isRoot: boolean;
  /** Passwordless sudo. */
  canSudo: boolean;
  /** systemd is PID 1 and answers. */
  systemd: boolean;
  /** supervisord answers through supervisorctl. */
  supervisord: boolean;
  docker: { cli: boolean; socket: string | undefined; works: boolean; version: string | undefined };
  /** CAP_SYS_ADMIN in the effective set: a Docker daemon could be started. */
  privileged: boolean;
  /** Which of the tools that we may use are there: curl, wget, tar, gzip, zstd, xz, node, python3, apt-get, setsid, flock. */
  tools: readonly string[];
  nodeVersion: string | undefined;
}
