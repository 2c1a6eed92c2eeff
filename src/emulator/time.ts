import { type Clock, systemClock } from "../core/clock.ts";

/**
 * The emulator's own time: runs `speed` times as fast as the clock beneath it, from the same start.
 * Every rule (rates, delays, rent per minute) is written in emulated milliseconds and reads this.
 */
export class EmulatedTime {
  readonly speed: number;
  readonly #clock: Clock;
  readonly #start: number;

  constructor(speed = 1, clock: Clock = systemClock) {
    this.speed = speed;
    this.#clock = clock;
    this.#start = clock.now();
  }

  /** Emulated milliseconds since the epoch. */
  now(): number {
    return this.#start + (this.#clock.now() - this.#start) * this.speed;
  }

  /** Milliseconds since the epoch as the world outside counts them: what answers and logs show. */
  outside(): number {
    return this.#clock.now();
  }

  /** Waits emulated milliseconds. */
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#clock.sleep(ms / this.speed, signal);
  }
}
