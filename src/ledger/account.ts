import { createHash } from "node:crypto";

/**
 * Names an account without naming its key: 12 hex digits of a digest over the API's address and the key, both as the
 * client uses them: a slash or line break at the end makes no other account.
 */
export function accountOf(apiUrl: string, apiKey: string): string {
  return createHash("sha256")
    .update(`${apiUrl.replace(/\/+$/, "")}\n${apiKey.trim()}`)
    .digest("hex")
    .slice(0, 12);
}
