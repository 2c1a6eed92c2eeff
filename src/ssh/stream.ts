import { Duplex } from "node:stream";
import type { ClientChannel } from "ssh2";
import { CloreError } from "../core/errors.ts";
import { bounded, lost } from "./errors.ts";
import type { Link } from "./link.ts";

/** Where a stream leads, as seen from the host. */
export type StreamTarget = { host: string; port: number } | { socketPath: string };

/** Opens a raw stream through a live connection. @throws CloreError `ssh.dial-failed`, `ssh.lost` */
export function dialOn(link: Link, to: StreamTarget): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const offLost = link.onLost(() => reject(lost(link.where, link.lostBecause, false)));
    const onOpen = (error: Error | undefined, channel: ClientChannel) => {
      if (error && !link.alive) return; // the loss itself follows and says more
      offLost();
      if (error) reject(dialFailed(link.where, to, error));
      else resolve(new ChannelStream(link, channel));
    };
    try {
      if ("socketPath" in to) link.client.openssh_forwardOutStreamLocal(to.socketPath, onOpen);
      else link.client.forwardOut("127.0.0.1", 0, to.host, to.port, onOpen);
    } catch (cause) {
      offLost();
      reject(lost(link.where, String(cause), false));
    }
  });
}

/**
 * ssh2's channel as a well-behaved stream: a lost connection is an error here (ssh2 shows a clean end, which would pass half an
 * answer off as a whole one), `destroy` works, and each side can end alone.
 */
class ChannelStream extends Duplex {
  readonly #channel: ClientChannel;
  readonly #offLost: () => void;
  #pending: ((error?: Error) => void) | undefined;
  #closed = false;

  constructor(link: Link, channel: ClientChannel) {
    super({ allowHalfOpen: true });
    this.#channel = channel;
    this.#offLost = link.onLost(() =>
      this.destroy(link.closedHere ? undefined : lost(link.where, link.lostBecause, true)),
    );
    channel.on("data", (data: Buffer) => {
      if (!this.destroyed && !this.push(data)) channel.pause();
    });
    channel.on("end", () => {
      if (!this.destroyed) this.push(null);
    });
    channel.on("error", (error: Error) => this.destroy(error));
    channel.on("close", () => this.#onClose());
    channel.stderr.resume();
  }

  override _read(): void {
    this.#channel.resume();
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, callback: (error?: Error) => void): void {
    if (this.#closed) {
      callback(brokenPipe());
      return;
    }
    this.#pending = callback;
    this.#channel.write(chunk, encoding, () => {
      this.#pending = undefined;
      callback();
    });
  }

  override _final(callback: () => void): void {
    this.#channel.end();
    callback();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#offLost();
    this.#closed = true;
    this.#channel.close();
    this.#channel.resume(); // what is on its way is dropped
    callback(error);
  }

  // The host has closed both directions. What was received is still to be read.
  #onClose(): void {
    this.#closed = true;
    this.#pending?.(brokenPipe());
    this.#pending = undefined;
    if (this.readableEnded) this.destroy();
    else this.once("end", () => this.destroy());
  }
}

function brokenPipe(): Error {
  return Object.assign(new Error("the host closed the stream"), { code: "EPIPE" });
}

function dialFailed(where: string, to: StreamTarget, cause: Error): CloreError {
  const what = "socketPath" in to ? to.socketPath : `${to.host}:${to.port}`;
  return new CloreError("ssh.dial-failed", {
    message: `${where} cannot connect to ${what}`,
    seen: bounded(cause.message),
    hint: "nothing may listen there yet, or the host's sshd forbids forwarding (AllowTcpForwarding, AllowStreamLocalForwarding)",
    retry: "later",
    cause,
  });
}
