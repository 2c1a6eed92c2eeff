import type { Log } from "../../src/core/log.ts";

export function terminalLog(
  stream?: { write(text: string): unknown; isTTY?: boolean; columns?: number },
  now?: () => number,
): Log & { clear(): void };

export function withSeconds<T>(log: Pick<Log, "status">, text: () => string, work: Promise<T>): Promise<T>;
