import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { openSession } from "../../tools/start/session.ts";

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
