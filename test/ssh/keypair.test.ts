import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fingerprintOf, generateKeyPair, publicKeyOf } from "../../src/ssh/keypair.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "clore-keys-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("makes pairs that OpenSSH reads and sees as we do", () => {
  const pair = generateKeyPair("me@there");
  const file = join(folder, "id");
  writeFileSync(file, pair.privateKey, { mode: 0o600 });
  writeFileSync(`${file}.pub`, pair.publicKey);
  const derived = execFileSync("ssh-keygen", ["-y", "-f", file], { encoding: "utf8" }).trim();
  expect(derived).toBe(pair.publicKey.trim());
  expect(pair.publicKey).toMatch(/^ssh-ed25519 AAAA\S+ me@there$/);
  expect(publicKeyOf(pair.privateKey)).toBe(pair.publicKey.split(" ").slice(0, 2).join(" "));
  const shown = execFileSync("ssh-keygen", ["-l", "-f", `${file}.pub`], { encoding: "utf8" });
  expect(shown.split(" ")[1]).toBe(pair.fingerprint);
  expect(fingerprintOf(pair.publicKey)).toBe(pair.fingerprint);
});

test.each(["ed25519", "rsa", "ecdsa"])("reads %s keys of ssh-keygen", (type) => {
  const file = join(folder, type);
  execFileSync("ssh-keygen", ["-q", "-t", type, "-N", "", "-C", "", "-f", file]);
  const line = execFileSync("cat", [`${file}.pub`], { encoding: "utf8" }).trim();
  expect(publicKeyOf(execFileSync("cat", [file], { encoding: "utf8" }))).toBe(line);
});

test("says what is wrong with a key and never shows it", () => {
  const file = join(folder, "locked");
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "secret", "-f", file]);
  const locked = execFileSync("cat", [file], { encoding: "utf8" });
  const body = locked.split("\n")[2]!;
  for (const bad of [locked, "no key at all", generateKeyPair().publicKey]) {
    expect(() => publicKeyOf(bad)).toThrow(/without a passphrase/);
    try {
      publicKeyOf(bad);
    } catch (error) {
      expect(String((error as Error).message)).not.toContain(body);
    }
  }
  expect(() => fingerprintOf("rubbish")).toThrow(/no public key line/);
});

test("every pair can be read, and its halves belong together", () => {
  for (let i = 0; i < 1500; i++) {
    const { publicKey, privateKey } = generateKeyPair("x");
    expect(`${publicKeyOf(privateKey)} x`).toBe(publicKey.trim());
  }
});
