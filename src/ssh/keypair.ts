import { createHash } from "node:crypto";
import ssh2 from "ssh2";
import { InputError } from "../core/errors.ts";

export interface KeyPair {
  /** `ssh-ed25519 AAAA… comment`, a line of `authorized_keys`. */
  publicKey: string;
  /** OpenSSH text without a passphrase. A secret. */
  privateKey: string;
  /** `SHA256:…`, as `ssh-keygen -l` shows it. */
  fingerprint: string;
}

/** Makes an ed25519 key pair in OpenSSH's format. */
export function generateKeyPair(comment = "pulumi-clore"): KeyPair {
  for (;;) {
    const pair = ssh2.utils.generateKeyPairSync("ed25519", { comment });
    // ssh2 1.17.0 loses a zero byte now and then: about one pair in 300 cannot be read.
    if (
      ssh2.utils.parseKey(pair.public) instanceof Error ||
      ssh2.utils.parseKey(pair.private) instanceof Error
    )
      continue;
    return { publicKey: pair.public, privateKey: pair.private, fingerprint: fingerprintOf(pair.public) };
  }
}

/**
 * `SHA256:…` of a public key line, as `ssh-keygen -l` shows it.
 * @throws InputError when it is no public key line
 */
export function fingerprintOf(publicKey: string): string {
  return fingerprintOfBlob(publicKeyBlob(publicKey));
}

/** `SHA256:…` of a key as it goes over the wire. */
export function fingerprintOfBlob(blob: Uint8Array): string {
  return `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`;
}

/**
 * The public half, `ssh-ed25519 AAAA…` without a comment, of a private key (OpenSSH or PEM text).
 * @throws InputError when it cannot be read, or needs a passphrase; the text of the key is never in the error
 */
export function publicKeyOf(privateKey: string): string {
  const key = ssh2.utils.parseKey(privateKey);
  if (key instanceof Error || !key.isPrivateKey()) {
    throw new InputError("SSH key", [
      {
        path: "privateKey",
        problem: "cannot be read: write an OpenSSH or PEM private key without a passphrase",
      },
    ]);
  }
  return `${key.type} ${key.getPublicSSH().toString("base64")}`;
}

function publicKeyBlob(publicKey: string): Buffer {
  const key = ssh2.utils.parseKey(publicKey);
  if (key instanceof Error || key.isPrivateKey()) {
    throw new InputError("SSH key", [
      { path: "publicKey", problem: "is no public key line: write `ssh-ed25519 AAAA…`" },
    ]);
  }
  return key.getPublicSSH();
}
