/** A place in a run, seen from outside: "my_orders 2 after" is the first answer in the second row of such calls. */
export interface Point {
  name: string;
  /** API calls and ledger lines are met exactly, SSH steps where the host sees them. */
  at: "api" | "ledger" | "ssh";
}

export interface Strike {
  /** Of the point, or how many points come before it. */
  point: string | number;
  /** Called when it is reached. What it gives holds the API back until then. */
  run(): Promise<void> | undefined;
}

/**
 * What a plugin did, as the world sees it: API calls at a proxy, lines in the ledger, connections and commands at the
 * host. Calls that repeat each other (polls) count as one, so that the same run gives the same points.
 */
export class Trace {
  readonly points: Point[] = [];
  struck = false;
  #strike: Strike | undefined;
  #held: Promise<void> | undefined;
  #lastBase = "";
  readonly #rows = new Map<string, number>();
  readonly #seen = new Set<string>();

  /** Starts anew; with a strike, that happens once, when its point is reached. */
  begin(strike?: Strike): void {
    this.points.length = 0;
    this.struck = false;
    this.#strike = strike;
    this.#held = undefined;
    this.#lastBase = "";
    this.#rows.clear();
    this.#seen.clear();
  }

  /** Tells of one step. Resolves when the world may go on. */
  async reach(at: Point["at"], base: string, phase: string): Promise<void> {
    if (base !== this.#lastBase || at === "ssh") {
      this.#rows.set(base, (this.#rows.get(base) ?? 0) + 1);
      this.#lastBase = base;
    }
    const name = `${base} ${this.#rows.get(base)} ${phase}`;
    if (!this.#seen.has(name)) {
      this.#seen.add(name);
      this.points.push({ name, at });
      const { point } = this.#strike ?? {};
      if (point === name || point === this.points.length - 1) {
        const strike = this.#strike;
        this.#strike = undefined;
        this.struck = true;
        this.#held = strike?.run();
      }
    }
    await this.#held;
  }
}
