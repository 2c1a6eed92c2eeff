import type { Duplex } from "node:stream";
import type { SshConnection } from "../../ssh/types.ts";

/** Opens a stream to a port as the host sees it; a stream that opens after the abort is closed, not leaked. */
export async function dialWithin(
  ssh: SshConnection,
  to: { host: string; port: number },
  signal: AbortSignal,
): Promise<Duplex> {
  signal.throwIfAborted();
  const dialing = ssh.dial(to);
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([dialing, aborted.promise]);
  } catch (error) {
    dialing.then((late) => late.destroy()).catch(() => {});
    throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
