import { createServer, connect as dial, type Server, type Socket } from "node:net";
import { Transform } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import type { Address } from "./types.ts";

/** What can be wrong with a line. All may be changed while it is open; running connections keep what they began with. */
export interface LineFaults {
  /** Nobody listens. */
  refused?: boolean;
  /** Accepted, then reset. */
  reset?: boolean;
  /** Accepted, then silence for ever. */
  noBanner?: boolean;
  /** Milliseconds before the first byte from the host. */
  slowBannerMs?: number;
  /** Milliseconds added to each way. */
  delayMs?: number;
  /** Bytes per second, each way. */
  bytesPerSecond?: number;
  /** The connection is reset after so many bytes from the host. */
  cutAfterBytes?: number;
  /** After so many bytes from the host nothing is carried any more, yet nothing closes. */
  stallAfterBytes?: number;
}

/** A public TCP port on 127.0.0.1 in front of a machine: carries bytes, or does not, as its faults say. */
export class Line {
  faults: LineFaults = {};
  /** Runs before a connection is carried, with its number from 1. */
  onConnection: ((count: number) => Promise<void>) | undefined;
  port = 0;
  readonly #target: () => Address | undefined;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #count = 0;

  /** `target` gives undefined while nothing is behind it: then connections are accepted and dropped, as observed. */
  constructor(target: () => Address | undefined) {
    this.#target = target;
  }

  async open(): Promise<void> {
    const server = createServer((socket) => void this.#carry(socket));
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(this.port, "127.0.0.1", resolve);
    });
    this.port = (server.address() as { port: number }).port;
  }

  /** Changes what is wrong; `refused` closes the port, its absence opens it again. */
  async set(faults: LineFaults): Promise<void> {
    this.faults = faults;
    if (faults.refused) await this.#shut();
    else if (!this.#server) await this.open();
  }

  /** Resets every running connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await this.#shut();
  }

  async #shut(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server) await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => socket.destroy()); // either end may go at any time
    socket.on("close", () => this.#sockets.delete(socket));
  }

  async #carry(near: Socket): Promise<void> {
    this.#keep(near);
    const faults = this.faults;
    if (faults.noBanner) return;
    try {
      await this.onConnection?.(++this.#count);
    } catch {
      near.resetAndDestroy();
      return;
    }
    const target = this.#target();
    if (faults.reset || !target || near.destroyed) {
      near.resetAndDestroy();
      return;
    }
    const far = dial(target);
    this.#keep(far);
    near.setNoDelay(true);
    far.setNoDelay(true);
    const cut = (): void => {
      near.resetAndDestroy();
      far.destroy();
    };
    near
      .pipe(shaped({ ...faults, slowBannerMs: 0, cutAfterBytes: undefined, stallAfterBytes: undefined }, cut))
      .pipe(far);
    far.pipe(shaped(faults, cut)).pipe(near);
    near.on("close", () => far.destroy());
    far.on("close", (failed) => (failed ? near.resetAndDestroy() : near.destroySoon()));
  }
}

/** Passes bytes on with the line's delay, rate, cut and stall. */
function shaped(faults: LineFaults, cut: () => void): Transform {
  let carried = 0;
  let first = true;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const wait =
        (faults.delayMs ?? 0) +
        (first ? (faults.slowBannerMs ?? 0) : 0) +
        (faults.bytesPerSecond ? (chunk.length / faults.bytesPerSecond) * 1000 : 0);
      first = false;
      carried += chunk.length;
      if (faults.cutAfterBytes !== undefined && carried > faults.cutAfterBytes) return cut();
      if (faults.stallAfterBytes !== undefined && carried > faults.stallAfterBytes) return; // never done: half open
      if (wait === 0) return done(null, chunk);
      void delay(wait).then(() => done(null, chunk));
    },
  });
}
