import { CloreError, InputError } from "../core/errors.ts";
import { fingerprintOf, fingerprintOfBlob } from "./keypair.ts";

/** Newest first; SHA-1 signatures (`ssh-rsa`) and DSA are never accepted. */
const ACCEPTED = [
  "ssh-ed25519",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "rsa-sha2-512",
  "rsa-sha2-256",
] as const;

export type HostKeyAlgorithm = (typeof ACCEPTED)[number];

/**
 * Which host key algorithms to ask for: all accepted ones at first contact; with a pinned key only those of its type,
 * so that a host with several keys shows the one we know.
 */
export function hostKeyAlgorithms(pinned: string | undefined): HostKeyAlgorithm[] {
  if (pinned === undefined) return [...ACCEPTED];
  const type = typeOf(pinned);
  const fitting = ACCEPTED.filter((algorithm) =>
    type === "ssh-rsa" ? algorithm.startsWith("rsa-") : algorithm === type,
  );
  if (fitting.length > 0) return fitting;
  throw new InputError("SSH target", [
    { path: "hostKey", problem: `is of type ${type}: write one of ssh-ed25519, ecdsa-sha2-*, ssh-rsa` },
  ]);
}

/** A key from the wire as it is pinned: `ssh-ed25519 AAAA…`. */
export function hostKeyLine(blob: Buffer): string {
  const length = blob.readUInt32BE(0);
  return `${blob.subarray(4, 4 + length).toString("latin1")} ${blob.toString("base64")}`;
}

/** True when both are the same key, whatever the comments. */
export function sameHostKey(pinned: string, shown: string): boolean {
  return withoutComment(pinned) === withoutComment(shown);
}

/** The refusal of a changed host key. `shown` is undefined when the host has no key of the pinned type any more. */
export function hostKeyChanged(where: string, pinned: string, shown: Buffer | undefined): CloreError {
  const now = shown
    ? `shows ${fingerprintOfBlob(shown)} (${typeOf(hostKeyLine(shown))})`
    : `offers no ${typeOf(pinned)} key any more`;
  return new CloreError("ssh.host-key-changed", {
    message: `${where} is not the server that was pinned: expected ${fingerprintOf(pinned)} (${typeOf(pinned)}), the host ${now}`,
    seen: shown ? hostKeyLine(shown) : undefined,
    hint: "somebody may be in between, or the machine was set up anew; when you know that it was, accept the new key by removing the pinned one (or replace the server)",
  });
}

function typeOf(line: string): string {
  return line.trim().split(/\s+/, 1)[0] ?? "";
}

function withoutComment(line: string): string {
  return line.trim().split(/\s+/).slice(0, 2).join(" ");
}
