import type { Client, ClientChannel } from "ssh2";
import { WAITING_SHELL } from "./remotesh.ts";

/** A spare takes two round trips to make and saves its command two: with two of them every step of a sequence costs one. */
const SPARES = 2;

/**
 * How long a spare may wait. That the host confirmed it proves that the line was alive then; past this a command goes the
 * longer way, which finds a line that died unnoticed before anything is handed over.
 */
const FRESH_MS = 2_000;

/**
 * Shells on the host that wait for their command, so that the next one costs a single round trip: opening a channel and asking
 * for a command, one round trip each, is done while the ones before run.
 */
export class SpareShells {
  readonly #client: Client;
  readonly #waiting = new Map<ClientChannel, NodeJS.Timeout>();
  #opening = 0;
  #refused = false;

  constructor(client: Client) {
    this.#client = client;
  }

  /** A waiting shell's channel, paused, if there is one; it is the caller's from then on. */
  take(): ClientChannel | undefined {
    const [channel] = this.#waiting.keys();
    if (channel) this.#forget(channel);
    return channel;
  }

  /** Makes up for those that were taken. Never fails; a host that refuses is not asked again. */
  prepare(): void {
    while (!this.#refused && this.#waiting.size + this.#opening < SPARES) {
      this.#opening++;
      try {
        this.#client.exec(WAITING_SHELL, (error, channel) => {
          this.#opening--;
          if (error) this.#refused = true;
          else this.#keep(channel);
        });
      } catch {
        this.#refused = true; // the connection is gone, and this with it
      }
    }
  }

  /** For a host on which they turn out not to work. */
  giveUp(): void {
    this.#refused = true;
    for (const channel of this.#waiting.keys()) this.#dismiss(channel);
  }

  #keep(channel: ClientChannel): void {
    const forget = () => this.#forget(channel);
    channel.on("error", forget).once("exit", forget).once("close", forget);
    this.#waiting.set(channel, setTimeout(() => this.#dismiss(channel), FRESH_MS).unref());
    if (this.#refused) this.#dismiss(channel);
  }

  #dismiss(channel: ClientChannel): void {
    this.#forget(channel);
    channel.resume().stderr.resume();
    channel.end(); // the shell reads the end of its input and exits
  }

  #forget(channel: ClientChannel): void {
    clearTimeout(this.#waiting.get(channel));
    this.#waiting.delete(channel);
  }
}
