/** Where nothing near is meant. */
export const ownFileHint = "others can be added in a catalog file of your own, named by CLORE_CATALOG";

/**
 * The candidates that look most like `text`, nearest first: by edits, and by what `text` is a part of ("4090").
 * @param key what is compared; both sides go through it
 */
export function nearest(
  text: string,
  candidates: readonly string[],
  key: (text: string) => string,
  limit = 3,
): string[] {
  const wanted = key(text);
  return candidates
    .map((name) => ({ name, far: distance(wanted, key(name)) }))
    .toSorted((a, b) => a.far - b.far || a.name.localeCompare(b.name))
    .slice(0, limit)
    .map((c) => c.name);
}

function distance(wanted: string, name: string): number {
  if (wanted !== "" && name.includes(wanted)) return (name.length - wanted.length) / 10;
  return editDistance(wanted, name);
}

/** Insertions, deletions, replacements and swaps of neighbours ("4900" for "4090") that turn `a` into `b`. */
export function editDistance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const edit = rows[i - 1]![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swap = swapped ? rows[i - 2]![j - 2]! + 0.5 : edit;
      row.push(Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, edit, swap));
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
