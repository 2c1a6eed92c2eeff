import { CloreError } from "../core/errors.ts";
import type { Forward, SshConnection } from "./types.ts";

/** One user's view of a shared connection: `close()` ends this user's forwards and gives the connection back, for the others it stays. */
export function lease(connection: SshConnection, where: string, giveBack: () => void): SshConnection {
  const forwards = new Set<Forward>();
  let given = false;
  const open = (): SshConnection => {
    if (!given) return connection;
    throw new CloreError("ssh.closed", { message: `the connection to ${where} was given back already` });
  };
  const close = async () => {
    if (given) return;
    given = true;
    await Promise.all([...forwards].map((forward) => forward[Symbol.asyncDispose]()));
    giveBack();
  };
  return {
    hostKey: connection.hostKey,
    exec: async (command, options) => open().exec(command, options),
    writeFiles: async (files, options) => open().writeFiles(files, options),
    dial: async (to) => open().dial(to),
    async forward(to) {
      const forward = await open().forward(to);
      forwards.add(forward);
      return forward;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
