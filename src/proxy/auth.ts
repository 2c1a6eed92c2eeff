import { createHash, timingSafeEqual } from "node:crypto";
import { createMiddleware } from "hono/factory";
import type { Secret } from "../core/secret.ts";
import { ProxyError } from "./errors.ts";

/**
 * Lets a request through that shows one of the keys, as `Authorization: Bearer <key>` or `x-api-key: <key>`.
 * @throws ProxyError `auth.missing`, `auth.wrong` (401)
 */
export function requireKey(keys: readonly Secret[]) {
  const digests = keys.map((key) => digest(key.reveal()));
  return createMiddleware(async (context, next) => {
    const shown = shownKey(context.req.header("authorization"), context.req.header("x-api-key"));
    if (shown === undefined) {
      throw new ProxyError("auth.missing", {
        status: 401,
        message: "a key is needed: send the header Authorization: Bearer <key>",
      });
    }
    // Digests have one length, and every key is compared: the time taken tells neither length nor which one matched.
    const seen = digest(shown);
    const matches = digests.filter((known) => timingSafeEqual(known, seen)).length;
    if (matches === 0)
      throw new ProxyError("auth.wrong", { status: 401, message: "the key is not known here" });
    await next();
  });
}

function shownKey(authorization: string | undefined, apiKey: string | undefined): string | undefined {
  return /^bearer +(\S+)$/i.exec(authorization ?? "")?.[1] ?? (apiKey || undefined);
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
