import { CloreClient, defaultApiUrl } from "../clore/client.ts";
import { openRateGate } from "../clore/gate.ts";
import { emulatedPace } from "../clore/pace.ts";
import { SharedOrders } from "../clore/shared-orders.ts";
import type { CloreApi, RenterFees } from "../clore/types.ts";
import { CloreError, InputError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { Secret } from "../core/secret.ts";
import { stateDirectory } from "../core/state-directory.ts";
import { accountOf } from "../ledger/account.ts";
import { compactWhenLarge } from "../ledger/compact.ts";
import { Ledger } from "../ledger/ledger.ts";
import { Claims } from "../rental/claims.ts";
import { HostBook } from "../rental/host-book.ts";
import { SshPool } from "../ssh/pool.ts";
import { leaseHours } from "./server-request.ts";

/** What Configure brought. */
export interface PluginSettings {
  /** Keys without the `clore:` in front. */
  config: Readonly<Record<string, string>>;
  env: Readonly<Record<string, string | undefined>>;
  log: Log;
}

/** What all handlers of one plugin process share. */
export interface PluginContext {
  /** The marketplace can be read without a key. */
  clore: CloreApi;
  /** One poll of the orders serves every waiting server. */
  orders: SharedOrders;
  /**
   * Names the account that pays.
   * @throws CloreError `clore.no-api-key`
   */
  account(): string;
  hasKey: boolean;
  ledger: Ledger;
  hosts: HostBook;
  /** What the service charges, asked once; undefined where it does not say. */
  fees(): Promise<RenterFees | undefined>;
  ssh: SshPool;
  /** Servers that this process is about to rent: two resources never race for the same one. */
  reserved: Set<number>;
  /** Pause between two looks at the orders, in milliseconds. */
  pollMs: number;
  /** What the state was seen to name, and what was adopted in this run. */
  claims: Claims;
  /** `clore:lease`: for rented servers that say none of their own. */
  defaultLease: string | undefined;
  /** `clore:maxActivePricePerDay`: for all live orders of the key together, in USD per day. */
  maxActivePricePerDayUsd: number | undefined;
  /** URN → USD per day of what this preview would rent. */
  planned: Map<string, number>;
  close(): Promise<void>;
}

export function configure({ config, env, log }: PluginSettings): PluginContext {
  const defaultLease = leaseSetting(config.lease);
  const maxActivePricePerDayUsd = capSetting(config.maxActivePricePerDay);
  const apiUrl = config.apiUrl ?? env.CLORE_API_URL ?? defaultApiUrl;
  const key = config.apiKey ?? env.CLORE_API_KEY;
  const apiKey = key ? new Secret(key) : undefined;
  const directory = stateDirectory(env);
  const pace = emulatedPace(apiUrl, env);
  const gate = openRateGate({
    directory,
    apiUrl,
    apiKey,
    log,
    requestEveryMs: 1000 / pace,
    createEveryMs: 5000 / pace,
  });
  const clore = new CloreClient({ apiUrl, apiKey, gate, log });
  const ssh = new SshPool();
  const ledger = new Ledger(directory);
  compactWhenLarge(ledger);
  let fees: Promise<RenterFees | undefined> | undefined;
  return {
    clore,
    orders: new SharedOrders(clore),
    account() {
      if (!apiKey) {
        throw new CloreError("clore.no-api-key", {
          message: "no Clore.ai API key is configured",
          hint: "set CLORE_API_KEY, or run: pulumi config set --secret clore:apiKey <key>",
        });
      }
      return accountOf(apiUrl, apiKey.reveal());
    },
    hasKey: apiKey !== undefined,
    ledger,
    hosts: new HostBook(directory),
    fees() {
      fees ??= clore.renterFees().catch((error: unknown) => {
        log.debug(`the fees are taken from the documentation: ${String(error)}`);
        fees = undefined;
        return undefined;
      });
      return fees;
    },
    ssh,
    reserved: new Set(),
    pollMs: 1000 / pace,
    claims: new Claims(),
    defaultLease,
    maxActivePricePerDayUsd,
    planned: new Map(),
    async close() {
      await ssh.closeAll();
      gate.close();
    },
  };
}

/** @throws InputError */
function leaseSetting(text: string | undefined): string | undefined {
  if (text === undefined || text === "none" || leaseHours(text) !== undefined) return text;
  throw new InputError("configuration", [
    { path: "clore:lease", problem: 'should be a duration such as "90m", "8h" or "3d", or "none"' },
  ]);
}

/** @throws InputError */
function capSetting(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const usd = Number(text);
  if (text.trim() !== "" && usd > 0) return usd;
  throw new InputError("configuration", [
    {
      path: "clore:maxActivePricePerDay",
      problem: "should be a number above 0: USD per day for all servers together",
    },
  ]);
}
