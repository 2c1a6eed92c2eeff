/** Says where the time goes. */
export class Phases {
  readonly #rows: { name: string; seconds: number }[] = [];

  async time<T>(name: string, run: () => Promise<T>): Promise<T> {
    const start = performance.now();
    try {
      return await run();
    } finally {
      this.#rows.push({ name, seconds: (performance.now() - start) / 1000 });
    }
  }

  /** "set-up 0.3 s · marketplace 0.9 s · … · 21.4 s in all" */
  summary(): string {
    const total = this.#rows.reduce((sum, row) => sum + row.seconds, 0);
    const parts = this.#rows.map((row) => `${row.name} ${row.seconds.toFixed(1)} s`);
    return [...parts, `${total.toFixed(1)} s in all`].join(" · ");
  }
}
