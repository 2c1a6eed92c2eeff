import { StringDecoder } from "node:string_decoder";

const FIRST_BLOCK_BYTES = 4 * 1024;
const LARGEST_BLOCK_BYTES = 256 * 1024;

/** One stream's output, bounded: in memory too, should it come byte by byte, each in a packet and an object of its own. */
export class Capture {
  readonly name: "stdout" | "stderr";
  /** Arrived so far; more than `max` is counted but not kept. */
  bytes = 0;
  readonly #max: number;
  /** All full but the last one. */
  readonly #blocks: Buffer[] = [];
  #roomInLast = 0;
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
    const kept = data.subarray(0, Math.max(0, this.#max - this.bytes));
    this.bytes += data.length;
    this.#keep(kept);
    return this.#decoder.write(kept);
  }

  text(): string {
    const all = Buffer.concat(this.#blocks);
    return all.toString("utf8", 0, all.length - this.#roomInLast);
  }

  #keep(data: Buffer): void {
    for (let at = 0; at < data.length; ) {
      if (this.#roomInLast === 0) this.#grow();
      const last = this.#blocks.at(-1)!;
      const copied = data.copy(last, last.length - this.#roomInLast, at);
      this.#roomInLast -= copied;
      at += copied;
    }
  }

  #grow(): void {
    const size = Math.min(LARGEST_BLOCK_BYTES, 2 * (this.#blocks.at(-1)?.length ?? FIRST_BLOCK_BYTES / 2));
    this.#blocks.push(Buffer.allocUnsafe(size));
    this.#roomInLast = size;
  }
}
