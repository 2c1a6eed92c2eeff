import { StringDecoder } from "node:string_decoder";

/** One stream's output, bounded. */
export class Capture {
  readonly name: "stdout" | "stderr";
  /** Arrived so far; more than `max` is counted but not kept. */
  bytes = 0;
  readonly #max: number;
  readonly #chunks: Buffer[] = [];
  readonly #decoder = new StringDecoder("utf8");

  constructor(name: "stdout" | "stderr", max: number) {
    this.name = name;
    this.#max = max;
  }

  get tooMuch(): boolean {
    return this.bytes > this.#max;
  }

  /** Keeps the bytes and gives what can be shown of them: a character cut in two comes with its second half. */
  add(data: Buffer): string {
    const room = Math.max(0, this.#max - this.bytes);
    this.bytes += data.length;
    const kept = data.subarray(0, room);
    this.#chunks.push(kept);
    return this.#decoder.write(kept);
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString("utf8");
  }
}
