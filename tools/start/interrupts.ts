/** One Ctrl-C can come several times: from the terminal's group, from npm, from run.mjs. And what was told takes a moment to read. */
const echoMs = 2000;

/** Ctrl-C during a run: the first gives back, one more, pressed with that told, stops at once. */
export class Interrupts {
  readonly #tell: () => void;
  readonly #stopAtOnce: () => void;
  readonly #now: () => number;
  #toldAt: number | undefined;

  /** @param tell says what Ctrl-C will do, the first time and once more */
  constructor(tell: () => void, stopAtOnce: () => void, now: () => number = () => performance.now()) {
    this.#tell = tell;
    this.#stopAtOnce = stopAtOnce;
    this.#now = now;
  }

  get seen(): boolean {
    return this.#toldAt !== undefined;
  }

  /** A signal that came here. Before anything was told, people press twice out of habit. */
  signalled(): void {
    if (this.#toldAt === undefined) this.learned();
    else if (this.#now() - this.#toldAt > echoMs) this.#stopAtOnce();
  }

  /** The engine was stopped by a Ctrl-C, of which a signal may or may not have come here. */
  learned(): void {
    if (this.#toldAt !== undefined) return;
    this.#tell();
    this.#toldAt = this.#now();
  }
}
