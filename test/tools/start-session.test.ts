import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { openSession, openWaysIn } from "../../tools/start/session.ts";

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "clore-session-"));
  file = join(folder, "file");
  writeFileSync(file, "");
  vi.stubEnv("CLORE_HOME", join(folder, "home"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

test.each(["CLORE_HOME", "TMPDIR"])(
  "a folder in a file is refused by the name of its variable: %s",
  (name) => {
    vi.stubEnv(name, join(file, "x"));
    expect(() => openSession("gemini-proxy", false, folder)).toThrow(
      expect.objectContaining({
        code: "start.no-folder",
        message: `the folder ${file}/x cannot be written to; nothing was started`,
        hint: expect.stringContaining(name),
      }),
    );
  },
);

test("the ways in that are printed name a key that is there, for its owner alone", () => {
  const directory = join(folder, "a folder");
  mkdirSync(directory);
  writeFileSync(join(directory, "key"), "an older one", { mode: 0o644 });
  const { ssh, tunnel } = openWaysIn(
    { directory },
    {
      sshPrivateKey: "the private key\n",
      ssh: "ssh -i key -p 22 root@h",
      tunnel: "ssh -N -L 1:127.0.0.1:1 -i key -p 22 root@h",
    },
  );
  expect(ssh).toBe(`ssh -i '${directory}/key' -p 22 root@h`);
  expect(tunnel).toBe(`ssh -N -L 1:127.0.0.1:1 -i '${directory}/key' -p 22 root@h`);
  expect(readFileSync(join(directory, "key"), "utf8")).toBe("the private key\n");
  expect(statSync(join(directory, "key")).mode & 0o777).toBe(0o600);
});
