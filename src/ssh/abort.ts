/** The promise, or the signal's reason if that comes first. What the promise stands for goes on. */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  const off = new AbortController();
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true, signal: off.signal });
  });
  return Promise.race([promise, aborted]).finally(() => off.abort());
}
