import ssh2 from "ssh2";

/**
 * A fresh ed25519 private key in OpenSSH form. ssh2's generator gives an unreadable key about once in 500
 * (seen with 1.17.0), so each is read back before use.
 */
export function newHostKey(): string {
  for (;;) {
    const key = ssh2.utils.generateKeyPairSync("ed25519").private;
    if (!(ssh2.utils.parseKey(key) instanceof Error)) return key;
  }
}
