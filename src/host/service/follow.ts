import { type Clock, systemClock } from "../../core/clock.ts";
import type { Log } from "../../core/log.ts";
import type { SshConnection } from "../../ssh/types.ts";
import { serviceLogs } from "./lifecycle.ts";

const EVERY_MS = 5_000;

/**
 * While `work`, the start of a service, goes on, shows the service's own last line every 5 s: one that loads a model
 * for minutes says how far it is. What cannot be read is not shown.
 */
export async function showingItsLog<T>(
  ssh: SshConnection,
  name: string,
  work: Promise<T>,
  { log, clock = systemClock }: { log: Log; clock?: Clock },
): Promise<T> {
  const over = new AbortController();
  const { signal } = over;
  const show = async (): Promise<void> => {
    while (!signal.aborted) {
      await clock.sleep(EVERY_MS, signal);
      const line = (await serviceLogs(ssh, name, 1, { signal })).trim();
      if (line !== "") log.status(`service ${name}: ${line.slice(-150)}`);
    }
  };
  const showing = show().catch(() => {});
  try {
    return await work;
  } finally {
    over.abort();
    await showing;
  }
}
