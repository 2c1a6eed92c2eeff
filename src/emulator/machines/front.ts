import { HttpFront } from "./httpfront.ts";
import { Line } from "./line.ts";
import type { Machine } from "./types.ts";

/** The public side of an order: its ports are there from the start, the machine behind them comes when it has booted. */
export class Front {
  /** Container port → line on 127.0.0.1. */
  readonly lines: ReadonlyMap<number, Line>;
  readonly http: HttpFront | undefined;
  machine: Machine | undefined;

  /** `isUp` says whether the container has booted: until then connections are accepted and dropped. */
  constructor(tcpPorts: readonly number[], httpPort: number | undefined, isUp: () => boolean) {
    const target = (port: number) => (isUp() ? this.machine?.target(port) : undefined);
    this.lines = new Map(tcpPorts.map((port) => [port, new Line(() => target(port))]));
    if (httpPort !== undefined) this.http = new HttpFront(() => target(httpPort));
  }

  get ssh(): Line | undefined {
    return this.lines.get(22);
  }

  async open(): Promise<void> {
    for (const line of this.lines.values()) await line.open();
    await this.http?.open();
  }

  async close(): Promise<void> {
    await Promise.all([...this.lines.values()].map((line) => line.close()));
    await this.http?.close();
  }
}
