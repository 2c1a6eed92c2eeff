import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decay, type HostEvent, type HostMemory, remember } from "../market/memory.ts";

/**
 * This machine's memory of hosts, kept as JSON beside the ledger. It is a help and no record: when it is lost or two
 * processes write at once, the worst is that a bad host is tried once more.
 */
export class HostBook {
  readonly #path: string;

  constructor(directory: string) {
    this.#path = join(directory, "hosts.json");
  }

  read(now = Date.now()): HostMemory {
    try {
      return decay(JSON.parse(readFileSync(this.#path, "utf8")) as HostMemory, now);
    } catch {
      return {};
    }
  }

  failed(serverId: number, reason: string): void {
    this.#add({ serverId, at: Date.now(), kind: "failure", reason });
  }

  succeeded(serverId: number): void {
    this.#add({ serverId, at: Date.now(), kind: "success" });
  }

  /** What a download there really had, in Mbps. */
  measured(serverId: number, downMbps: number): void {
    this.#add({ serverId, at: Date.now(), kind: "speed", downMbps });
  }

  #add(event: HostEvent): void {
    const memory = remember(this.read(event.at), event);
    const draft = `${this.#path}.${process.pid}`;
    try {
      mkdirSync(join(this.#path, ".."), { recursive: true, mode: 0o700 });
      writeFileSync(draft, JSON.stringify(memory));
      renameSync(draft, this.#path);
    } catch {
      // A full disk must not keep a bad host from being given back.
    }
  }
}
