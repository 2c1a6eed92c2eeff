import { createHash } from "node:crypto";

/** Names an account without naming its key: 12 hex digits of a digest over the API's address and the key. */
export function accountOf(apiUrl: string, apiKey: string): string {
  return createHash("sha256").update(`${apiUrl}\n${apiKey}`).digest("hex").slice(0, 12);
}
