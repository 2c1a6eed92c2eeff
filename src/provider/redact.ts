import type { Properties } from "./rpc/values.ts";

/** Properties below which every text is a secret. A connection's address and user are worth reading in an error. */
const secretNames = new Set(["secretEnv", "secretHeaders", "privateKey"]);
/** Shorter texts are words of every other sentence, and no secrets. */
const shortest = 6;

/**
 * Text that comes from a host or an endpoint, without the secrets that the resource has entrusted to it: programs
 * print their environment when they fall, and servers echo what they are sent. Pure.
 * @example withoutSecrets("bad key sk-12345678", { secretEnv: { KEY: "sk-12345678" } }) // "bad key [secret]"
 */
export function withoutSecrets(text: string, inputs: Properties): string {
  let shown = text;
  // Longest first: one secret may begin with another.
  for (const secret of secretTexts(inputs).toSorted((a, b) => b.length - a.length))
    shown = shown.replaceAll(secret, "[secret]");
  return shown;
}

function secretTexts(value: unknown, isSecret = false): string[] {
  if (typeof value === "string") return isSecret ? partsOf(value) : [];
  if (value === null || typeof value !== "object") return [];
  return Object.entries(value).flatMap(([name, item]) =>
    secretTexts(item, isSecret || secretNames.has(name)),
  );
}

/** Texts of several lines are quoted line by line, and "Bearer …" without its first word. */
function partsOf(secret: string): string[] {
  const credential = /^(?:Bearer|Basic) (.+)$/i.exec(secret)?.[1];
  return [secret, ...secret.split("\n"), ...(credential ? [credential] : [])].filter(
    (part) => part.length >= shortest,
  );
}
