import xterm from "@xterm/headless";

/** Neighbouring characters of one look. */
export interface Span {
  column: number;
  text: string;
  /** `#rrggbb`; none: the terminal's own. */
  color?: string;
  bold?: boolean;
  dim?: boolean;
}

/** What a terminal shows: a list of spans for each row. */
export type Screen = readonly (readonly Span[])[];

/** The 16 colours of the palette, readable on the dark ground that the picture brings along. */
const palette = [
  ...["#484f58", "#ff7b72", "#3fb950", "#d29922", "#58a6ff", "#bc8cff", "#39c5cf", "#b1bac4"],
  ...["#6e7681", "#ffa198", "#56d364", "#e3b341", "#79c0ff", "#d2a8ff", "#56d4dd", "#ffffff"],
];

/** A terminal that is fed with a program's output and can be looked at. */
export class VirtualTerminal {
  readonly #terminal: InstanceType<typeof xterm.Terminal>;

  constructor(columns: number, rows: number) {
    this.#terminal = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true, scrollback: 0 });
  }

  /** Settles when the bytes are on the screen. */
  write(bytes: Uint8Array | string): Promise<void> {
    return new Promise((resolve) => this.#terminal.write(bytes, resolve));
  }

  look(): Screen {
    const buffer = this.#terminal.buffer.active;
    return Array.from({ length: this.#terminal.rows }, (_, row) =>
      spansOf(buffer.getLine(buffer.viewportY + row)),
    );
  }
}

type Line = ReturnType<InstanceType<typeof xterm.Terminal>["buffer"]["active"]["getLine"]>;
type Cell = NonNullable<ReturnType<NonNullable<Line>["getCell"]>>;

function spansOf(line: Line): Span[] {
  const spans: Span[] = [];
  for (let column = 0; line && column < line.length; column++) {
    const cell = line.getCell(column)!;
    if (cell.getWidth() === 0) continue; // the second half of a wide character
    const text = cell.getChars() || " ";
    const look = { color: colorOf(cell), bold: cell.isBold() !== 0, dim: cell.isDim() !== 0 };
    const last = spans.at(-1);
    const follows = last && last.column + last.text.length === column;
    if (follows && last.color === look.color && last.bold === look.bold && last.dim === look.dim)
      last.text += text;
    else spans.push({ column, text, ...look });
  }
  const blank = (span: Span) => span.text.trim() === "";
  return spans.filter((span) => !blank(span)).map(trimmed);
}

function trimmed(span: Span): Span {
  const indent = span.text.length - span.text.trimStart().length;
  return { ...span, column: span.column + indent, text: span.text.trim() };
}

function colorOf(cell: Cell): string | undefined {
  if (cell.isFgDefault()) return undefined;
  const value = cell.getFgColor();
  if (cell.isFgRGB()) return `#${value.toString(16).padStart(6, "0")}`;
  return palette[value] ?? extended(value);
}

// The xterm palette beyond 16: a 6 × 6 × 6 cube, then 24 greys.
function extended(value: number): string {
  const hex = (levels: number[]) => `#${levels.map((level) => level.toString(16).padStart(2, "0")).join("")}`;
  if (value >= 232) return hex(Array(3).fill(8 + (value - 232) * 10));
  const level = (step: number) => (step === 0 ? 0 : 55 + step * 40);
  const index = value - 16;
  return hex([level(Math.floor(index / 36)), level(Math.floor(index / 6) % 6), level(index % 6)]);
}
