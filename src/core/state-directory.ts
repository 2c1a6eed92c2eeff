import { homedir } from "node:os";
import { join } from "node:path";

/** Where ledger, rate gate and memory of hosts are kept: `CLORE_HOME`, or `pulumi-clore` in the user's state folder. */
export function stateDirectory(env: Readonly<Record<string, string | undefined>>): string {
  return env.CLORE_HOME || join(env.XDG_STATE_HOME || join(homedir(), ".local", "state"), "pulumi-clore");
}

/** Where what was downloaded or built is kept, by version: `pulumi-clore` in the user's cache folder. */
export function cacheDirectory(env: Readonly<Record<string, string | undefined>>): string {
  return join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "pulumi-clore");
}
