import { printable } from "../core/errors.ts";

/** The most of an odd body that is worth showing: enough for a Cloudflare title, too little to flood a log. */
const excerptLength = 300;

/**
 * A short piece of a remote body for an error: one line, bounded, without control characters,
 * and without `secrets`, should the far side have echoed one.
 * @example excerpt("<html>\n<title>Just a moment…") // "<html> <title>Just a moment…"
 */
export function excerpt(body: string, secrets: readonly string[] = []): string {
  let text = body;
  // Before the cut: a secret across the cut would otherwise leave its first half behind.
  for (const secret of secrets) if (secret !== "") text = text.replaceAll(secret, "[secret]");
  text = printable(text.slice(0, excerptLength * 4))
    .replace(/\s+/g, " ")
    .trim();
  if (text === "") return "(empty body)";
  return text.length > excerptLength || body.length > excerptLength * 4
    ? `${text.slice(0, excerptLength)}… (${body.length} characters)`
    : text;
}
