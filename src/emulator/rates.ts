import type { EmulatedTime } from "./time.ts";

/**
 * The service's limits: one request per second per key over all endpoints, one create_order per five seconds.
 * A virtual schedule with a little slack: whoever keeps the pace is never refused because the network was uneven,
 * and nobody gets more than the pace over any longer stretch. A refused call costs nothing.
 */
export class Rates {
  readonly #time: EmulatedTime;
  readonly #slackMs: number;
  #nextCall = 0;
  #nextCreate = 0;

  constructor(time: EmulatedTime) {
    this.#time = time;
    // 100 ms as the service sees them, and 10 ms of this machine's own unevenness.
    this.#slackMs = 100 + 10 * time.speed;
  }

  /** Whether the call may pass; if so it is counted. */
  allows(isCreate: boolean): boolean {
    const now = this.#time.now();
    if (now < this.#nextCall - this.#slackMs) return false;
    if (isCreate && now < this.#nextCreate - this.#slackMs) return false;
    this.#nextCall = Math.max(now, this.#nextCall) + 1000;
    if (isCreate) this.#nextCreate = Math.max(now, this.#nextCreate) + 5000;
    return true;
  }
}
