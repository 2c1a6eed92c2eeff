import { inspect } from "node:util";

/**
 * A value that shows itself only when asked by name: `toString`, `inspect` and JSON give `[secret]`.
 * @example const key = new Secret("abc"); `${key}` // "[secret]"; key.reveal() // "abc"
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The clear text. Call it only where the value leaves for its destination. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return "[secret]";
  }

  toJSON(): string {
    return "[secret]";
  }

  [inspect.custom](): string {
    return "[secret]";
  }
}
