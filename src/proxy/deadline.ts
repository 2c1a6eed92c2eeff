import { clientGone, ProxyError } from "./errors.ts";

/**
 * Runs work that ends in time, or with the client, and leaves nothing behind. An `AbortSignal.timeout` would: the
 * listeners that `@google/genai` adds are never taken off, so each finished request would stay until its time is over.
 * @throws ProxyError `client.gone`; what `late` makes when the time is over; else what the work threw
 */
export async function withDeadline<T>(
  timeoutMs: number,
  client: AbortSignal | undefined,
  late: () => ProxyError,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const abort = () => controller.abort();
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    abort();
  }, timeoutMs);
  client?.addEventListener("abort", abort, { once: true });
  try {
    if (client?.aborted) throw clientGone();
    return await work(controller.signal);
  } catch (error) {
    if (error instanceof ProxyError) throw error;
    if (client?.aborted) throw clientGone();
    throw isLate ? late() : error;
  } finally {
    clearTimeout(timer);
    client?.removeEventListener("abort", abort);
  }
}
