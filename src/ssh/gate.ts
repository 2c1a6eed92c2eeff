export interface Place {
  /** Hands the place to the next in the queue. */
  leave(): void;
  /** Leaves and takes the place away for good, unless it is the last one. */
  giveUp(): void;
}

/** Lets at most `limit` holders in at a time; the others wait in order. */
export class Gate {
  #limit: number;
  #taken = 0;
  readonly #queue: (() => void)[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Waits for a place. Rejects with the signal's reason. */
  async enter(signal?: AbortSignal): Promise<Place> {
    signal?.throwIfAborted();
    if (this.#taken < this.#limit) this.#taken++;
    else await this.#wait(signal);
    let left = false;
    const leave = () => {
      if (left) return;
      left = true;
      const next = this.#taken <= this.#limit ? this.#queue.shift() : undefined;
      if (next) next();
      else this.#taken--;
    };
    return {
      leave,
      giveUp: () => {
        if (this.#limit > 1) this.#limit--;
        leave();
      },
    };
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#queue.splice(this.#queue.indexOf(admit), 1);
        reject(signal?.reason);
      };
      const admit = () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#queue.push(admit);
    });
  }
}
