import { CloreClient, defaultApiUrl } from "../clore/client.ts";
import { openRateGate } from "../clore/gate.ts";
import { emulatedPace } from "../clore/pace.ts";
import type { CloreApi } from "../clore/types.ts";
import { CloreError } from "../core/errors.ts";
import { type Log, silentLog } from "../core/log.ts";
import { Secret } from "../core/secret.ts";
import { stateDirectory } from "../core/state-directory.ts";
import { accountOf } from "../ledger/account.ts";
import { Ledger } from "../ledger/ledger.ts";
import type { CommandIo } from "./command.ts";

/** One Clore.ai account as a command uses it. */
export interface Account extends Disposable {
  clore: CloreApi;
  ledger: Ledger;
  /** See ledger/account.ts. */
  account: string;
  pollMs: number;
  signal: AbortSignal;
  /** Goes to stderr. */
  log: Log;
}

/**
 * Opens the account of CLORE_API_KEY, with the rate gate that all processes of the machine share.
 * @throws CloreError `clore.no-api-key`
 */
export function openAccount(io: CommandIo): Account {
  const apiUrl = io.env.CLORE_API_URL ?? defaultApiUrl;
  if (!io.env.CLORE_API_KEY) {
    throw new CloreError("clore.no-api-key", {
      message: "no Clore.ai API key is configured, and without it your orders cannot be read",
      hint: "set CLORE_API_KEY",
    });
  }
  const apiKey = new Secret(io.env.CLORE_API_KEY);
  const directory = stateDirectory(io.env);
  const pace = emulatedPace(apiUrl, io.env);
  const gate = openRateGate({
    directory,
    apiUrl,
    apiKey,
    requestEveryMs: 1000 / pace,
    createEveryMs: 5000 / pace,
  });
  return {
    clore: new CloreClient({ apiUrl, apiKey, gate }),
    ledger: new Ledger(directory),
    account: accountOf(apiUrl, apiKey.reveal()),
    pollMs: 1000 / pace,
    signal: io.signal,
    log: { ...silentLog, warn: (message) => io.err(message) },
    [Symbol.dispose]: () => gate.close(),
  };
}
