/**
 * What may be done after an error: `no` (the same call fails again), `later` (repeat after a pause),
 * `look-first` (the outcome is unknown: read what is there before anything is repeated).
 */
export type Retry = "no" | "later" | "look-first";

/** What is known about an error, beside its code. */
export interface ErrorDetails {
  /** One sentence: what is wrong and where. Never holds a secret. */
  message: string;
  /** What was observed (counts, status, the host's own last lines). */
  seen?: string;
  /** What the user can do about it. */
  hint?: string;
  /** @default "no" */
  retry?: Retry;
  cause?: unknown;
}

/**
 * The base of every expected error of this project. `code` is stable (`market.no-offer`); the text may improve.
 * @example throw new CloreError("market.no-offer", { message: "no offer with 24 GB of VRAM", hint: "widen countries" })
 */
export class CloreError extends Error {
  readonly code: string;
  readonly seen: string | undefined;
  readonly hint: string | undefined;
  readonly retry: Retry;

  constructor(code: string, details: ErrorDetails) {
    super(details.message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.code = code;
    this.seen = details.seen;
    this.hint = details.hint;
    this.retry = details.retry ?? "no";
  }
}

/** One thing wrong with what the user wrote. */
export interface InputProblem {
  /** Path of the property, as the user wrote it: `ports["8080"]`, `maxPricePerDay`. */
  path: string;
  /** What is wrong and what to write instead. */
  problem: string;
}

/** All mistakes of one input at once, so that they are mended in one go. Code `input.invalid`. */
export class InputError extends CloreError {
  readonly problems: readonly InputProblem[];

  constructor(what: string, problems: readonly InputProblem[]) {
    super("input.invalid", {
      message: `${what}: ${problems.map((p) => `${p.path}: ${p.problem}`).join("; ")}`,
      hint: "correct the named properties; nothing was rented or changed",
    });
    this.problems = problems;
  }
}

/** Code, what, seen and hint in a few lines, for people. Unexpected errors keep their stack. */
export function describeError(error: unknown): string {
  if (!(error instanceof CloreError)) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  const lines = [`${error.code}: ${printable(error.message)}`];
  if (error.seen) lines.push(`  seen: ${printable(error.seen)}`);
  if (error.hint) lines.push(`  hint: ${printable(error.hint)}`);
  return lines.join("\n");
}

/** Remote text, safe for a terminal: control and escape characters (but not line ends and tabs) are shown, not sent. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are exactly what must not reach a terminal
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, (c) =>
    c === "\r" ? "" : `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}
