import { printable } from "../core/errors.ts";

/** Rows under a head, columns as wide as their widest cell; numbers to the right. The last column is not padded. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const safe = rows.map((row) => row.map((cell) => printable(cell).replaceAll("\n", " ")));
  const width = head.map((title, i) => Math.max(title.length, ...safe.map((row) => row[i]?.length ?? 0)));
  const right = head.map((_, i) => safe.every((row) => /^-?[\d.,]+( USD)?$|^-$/.test(row[i] ?? "")));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => (right[i] ? cell.padStart(width[i] ?? 0) : cell.padEnd(width[i] ?? 0)))
      .join("  ")
      .trimEnd();
  return [head, ...safe].map(line);
}
