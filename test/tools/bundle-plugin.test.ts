import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { afterEach, expect, test } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const clone = mkdtempSync(join(tmpdir(), "clore-clone-"));
afterEach(() => rmSync(clone, { recursive: true, force: true }));

test("a clone's plugin runs from its bundle as long as no source is newer", async () => {
  write("package-lock.json", "{}", 10);
  write("src/provider/main.ts", `console.log("source")`, 10);
  write("src/provider/other.ts", "", 10);
  for (const folder of ["src", "src/provider"]) age(folder, 10);
  symlinkSync(join(root, "node_modules"), join(clone, "node_modules"));
  expect(await run()).toBe("source");

  write("dist/provider/main.mjs", `console.log("bundle")`, 5);
  expect(await run()).toBe("bundle");

  age("src/provider/other.ts", 1);
  expect(await run(), "a source was changed").toBe("source");
  age("src/provider/other.ts", 10);
  rmSync(join(clone, "src/provider/other.ts"));
  expect(await run(), "a source was removed").toBe("source");
  age("src/provider", 10);
  expect(await run()).toBe("bundle");
  age("package-lock.json", 1);
  expect(await run(), "a library was changed").toBe("source");
});

async function run(): Promise<string> {
  return (await execa(join(root, "bin/on-node24"), [clone, "provider/main"])).stdout;
}

function write(path: string, text: string, minutesOld: number): void {
  mkdirSync(dirname(join(clone, path)), { recursive: true });
  writeFileSync(join(clone, path), text);
  age(path, minutesOld);
}

function age(path: string, minutes: number): void {
  const time = Date.now() / 1000 - minutes * 60;
  utimesSync(join(clone, path), time, time);
}
