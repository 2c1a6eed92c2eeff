import type { Duplex } from "node:stream";
import type { SshConnection } from "../ssh/types.ts";

/** Opens a stream to a port or socket as the host sees it; a stream that opens after the abort is closed, not leaked. */
export async function dialWithin(
  ssh: Pick<SshConnection, "dial">,
  to: Parameters<SshConnection["dial"]>[0],
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
