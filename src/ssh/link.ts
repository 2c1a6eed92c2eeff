import { connect as tcpConnect } from "node:net";
import ssh2, { type Client, type ConnectConfig } from "ssh2";
import { connectError, nameOf, reset, type Stage, timedOut } from "./errors.ts";
import { hostKeyAlgorithms, hostKeyChanged, hostKeyLine, sameHostKey } from "./hostkey.ts";
import { publicKeyOf } from "./keypair.ts";
import { SpareShells } from "./spare.ts";
import type { SshTarget } from "./types.ts";

/** One logged-in SSH connection, until it is lost. It is never mended: a new one is opened instead. */
export interface Link {
  readonly where: string;
  readonly client: Client;
  readonly spares: SpareShells;
  readonly hostKey: string;
  readonly alive: boolean;
  /** Why it was lost, as far as known. */
  readonly lostBecause: string | undefined;
  /** It was ended by `close()`. */
  readonly closedHere: boolean;
  /** Calls back once when the connection is gone, at once if it is. Gives a function that takes the callback off. */
  onLost(callback: () => void): () => void;
  close(): Promise<void>;
}

export interface LinkOptions {
  /** For the whole attempt: TCP, greeting, key exchange and login. */
  timeoutMs: number;
  signal?: AbortSignal;
  /** Pause between two signs of life; three unanswered ones end the connection. @default 10,000 */
  keepaliveMs?: number;
}

/** No SHA-1, CBC, DSA or RC4; strict key exchange (against Terrapin) is ssh2's default. */
const ALGORITHMS = {
  kex: [
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group14-sha256",
  ],
  cipher: [
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes256-ctr",
    "aes128-ctr",
  ],
  hmac: ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512"],
  compress: ["none"],
} satisfies ConnectConfig["algorithms"];

/** How long a polite goodbye may take before the socket is cut. */
const GOODBYE_MS = 1_000;

/** One attempt to log in by key. @throws CloreError `ssh.*`, InputError for an unreadable key, the signal's reason */
export async function openLink(target: SshTarget, options: LinkOptions): Promise<Link> {
  options.signal?.throwIfAborted();
  publicKeyOf(target.privateKey); // fails with a clear error before anything is dialled
  const serverHostKey = hostKeyAlgorithms(target.hostKey);
  const where = nameOf(target);
  const socket = tcpConnect({ host: target.address, port: target.port, noDelay: true });
  const client = new ssh2.Client();
  let stage: Stage = "tcp";
  let shownKey: Buffer | undefined;
  let greeting = "";
  let alive = false;
  let lostBecause: string | undefined;
  let closedHere = false;
  const listeners = new Set<() => void>();

  const isPinned = (key: Buffer) =>
    target.hostKey === undefined || sameHostKey(target.hostKey, hostKeyLine(key));
  const whenClosed = new Promise<void>((resolve) => client.once("close", resolve));
  const link: Link = {
    where,
    client,
    spares: new SpareShells(client),
    get hostKey() {
      return hostKeyLine(shownKey!);
    },
    get alive() {
      return alive && socket.writable;
    },
    get lostBecause() {
      return lostBecause;
    },
    get closedHere() {
      return closedHere;
    },
    onLost(callback) {
      if (!alive) queueMicrotask(callback);
      else listeners.add(callback);
      return () => listeners.delete(callback);
    },
    async close() {
      closedHere = true;
      lostBecause ??= "it was closed here";
      const cut = setTimeout(() => socket.destroy(), GOODBYE_MS);
      socket.once("finish", () => socket.destroy()); // said goodbye: the host's answer would cost a round trip
      client.end();
      await whenClosed;
      clearTimeout(cut);
    },
  };

  return new Promise<Link>((resolve, reject) => {
    const fail = (error: unknown) => {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", onAbort);
      socket.destroy();
      reject(error);
    };
    const onAbort = () => fail(options.signal?.reason);
    const timer = setTimeout(() => fail(timedOut(where, stage, options.timeoutMs)), options.timeoutMs);
    options.signal?.addEventListener("abort", onAbort, { once: true });

    socket.once("connect", () => {
      stage = "banner";
    });
    socket.once("end", () => socket.destroy()); // nothing more can come: do not wait for what we still send
    const onData = (data: Buffer) => {
      greeting += data.toString("latin1");
      if (/^SSH-/m.test(greeting)) stage = "handshake";
      if (stage !== "banner" || greeting.length > 1_000) socket.off("data", onData);
    };
    socket.on("data", onData);
    client.once("handshake", () => {
      stage = "login";
    });
    client.once("ready", () => {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", onAbort);
      alive = true;
      resolve(link);
    });
    // Stays for the whole life: an "error" nobody listens to would end the process.
    client.on("error", (error) => {
      lostBecause ??= error.message;
      if (alive) {
        socket.destroy();
        return;
      }
      const { hostKey } = target;
      const changed = shownKey ? !isPinned(shownKey) : /no matching host key/.test(error.message);
      fail(
        hostKey !== undefined && changed
          ? hostKeyChanged(where, hostKey, shownKey)
          : connectError(where, stage, greeting, error),
      );
    });
    client.once("close", () => {
      if (!alive) fail(reset(where, stage, greeting)); // no more than a repetition after an error
      alive = false;
      for (const listener of [...listeners]) listener();
      listeners.clear();
    });
    client.connect({
      sock: socket,
      username: target.user,
      privateKey: target.privateKey,
      authHandler: ["publickey"],
      algorithms: { ...ALGORITHMS, serverHostKey },
      hostVerifier: (key: Buffer) => {
        shownKey ??= Buffer.from(key);
        return isPinned(key) && shownKey.equals(key); // asked again when keys are exchanged anew
      },
      readyTimeout: 0,
      keepaliveInterval: options.keepaliveMs ?? 10_000,
      keepaliveCountMax: 3,
    });
  });
}
