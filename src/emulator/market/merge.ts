/** `base` with the leaves of `change` laid over it; lists and null replace, `undefined` removes. Neither is altered. */
export function merge<T>(base: T, change: unknown): T {
  if (!isRecord(base) || !isRecord(change)) return change as T;
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(change)) {
    if (value === undefined) delete merged[key];
    else merged[key] = isRecord(value) ? merge(merged[key] ?? {}, value) : value;
  }
  return merged as T;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
