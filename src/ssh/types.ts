/** Where and as whom to log in. `privateKey` is OpenSSH or PEM text (ed25519). */
export interface SshTarget {
  address: string;
  port: number;
  user: string;
  privateKey: string;
  /** `ssh-ed25519 AAAA…` as pinned at first contact; `undefined` means: pin now. A different key is refused. */
  hostKey: string | undefined;
}

export interface ExecOptions {
  stdin?: string | Uint8Array;
  /** The most to wait for the command, in milliseconds. Required: nothing waits for ever. */
  timeoutMs: number;
  signal?: AbortSignal;
  /** Called with each piece of output as it arrives. */
  onOutput?: (stream: "stdout" | "stderr", text: string) => void;
  /** The most output to keep per stream, in bytes; more ends the command with `ssh.too-much-output`. @default 4 MiB */
  maxOutputBytes?: number;
}

export interface ExecResult {
  /** Exit code; 128 + n for signal n. A code other than 0 is no error here: the caller decides. */
  exitCode: number;
  stdout: string;
  stderr: string;
}

export interface RemoteFile {
  /** Absolute, or relative to the login user's home. */
  path: string;
  content: Uint8Array | string;
  /** Octal, as a number: 0o600. */
  mode: number;
  /** `user` or `user:group`. @default the login user */
  owner?: string;
}

/** A port or socket of the host, reachable here on loopback while open. */
export interface Forward extends AsyncDisposable {
  /** On 127.0.0.1. */
  localPort: number;
}

/** One persistent connection to a server. All calls share it; it reconnects when it was lost between calls. */
export interface SshConnection extends AsyncDisposable {
  /** The host's key, pinned at first contact. */
  readonly hostKey: string;
  /** Runs a POSIX sh command line in the login user's home. */
  exec(command: string, options: ExecOptions): Promise<ExecResult>;
  /** Writes files atomically, only those that differ; one round trip to compare all. Gives the paths written. */
  writeFiles(files: readonly RemoteFile[], options?: { signal?: AbortSignal }): Promise<readonly string[]>;
  /** Opens a raw stream to a TCP port as seen from the host. */
  dial(to: { host: string; port: number } | { socketPath: string }): Promise<import("node:stream").Duplex>;
  /** Listens on 127.0.0.1 here and carries every connection to the host. */
  forward(to: { host: string; port: number } | { socketPath: string }): Promise<Forward>;
  close(): Promise<void>;
}
