import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { connect } from "../../src/ssh/connect.ts";
import { Engine } from "../support/engine.ts";
import { startMachine } from "../support/machines.ts";

/** On a host of one's own this is somebody else's folder, and a link in ours leads there. */
test("links that a host puts into our folder are removed with it, and what they lead to stays", {
  timeout: 60_000,
}, async () => {
  const precious = mkdtempSync(join(tmpdir(), "clore-precious-"));
  const letter = join(precious, "letter");
  writeFileSync(letter, "dear");
  try {
    await using machine = await startMachine();
    await using engine = await Engine.start();
    const { address, port, user, privateKey } = machine;
    await using ssh = await connect(
      { address, port, user, privateKey, hostKey: undefined },
      { timeoutMs: 10_000 },
    );
    const wanted = {
      name: "app",
      connection: { address, port, user, privateKey, hostKey: ssh.hostKey },
      process: { command: ["sleep", "1000"] },
      secretEnv: { KEY: "s3cret-0123456789" },
    };
    const { values } = await engine.check("Service", wanted);
    const first = await engine.create("Service", values);

    const ours = join(machine.machine.id, "home", ".pulumi-clore");
    const folder = join(ours, "services", "app");
    const folders = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name));
    expect(folders.length).toBeGreaterThan(1);
    for (const one of [folder, ...folders]) {
      symlinkSync(precious, join(one, "trap"));
      symlinkSync(letter, join(one, "trapped-file"));
    }
    // A changed service is written beside all that.
    const changed = { ...values, secretEnv: { KEY: "s3cret-9876543210" } };
    const second = await engine.update("Service", first.id, first.values, changed);
    expect(second.values.revision).not.toBe(first.values.revision);
    await engine.delete("Service", first.id, second.values);

    expect(existsSync(folder)).toBe(false);
    expect(readdirSync(precious)).toEqual(["letter"]);
    expect(readFileSync(letter, "utf8")).toBe("dear");
  } finally {
    rmSync(precious, { recursive: true, force: true });
  }
});
