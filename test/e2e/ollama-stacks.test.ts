import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { afterAll, describe, expect, test } from "vitest";
import { silentLog } from "../../src/core/log.ts";
import { standInSentence } from "../../src/emulator/models/tiny.ts";
import { ensurePulumi } from "../../tools/setup/pulumi.ts";
import { openSession, type Session, writeProject } from "../../tools/start/session.ts";
import { initStack } from "../../tools/start/stack.ts";
import { needs } from "../support/needs.ts";

const start = fileURLToPath(new URL("../../tools/start.ts", import.meta.url));

describe.skipIf(needs("pulumi", "ollama"))("stacks that serve models", () => {
  test("npm start -- gemma-4b rents, installs, pulls, answers, tells tok/s, and gives all back", {
    timeout: 240_000,
  }, async () => {
    const home = mkdtempSync(join(tmpdir(), "clore-start-"));
    try {
      const { all, exitCode } = await execa(process.execPath, [start, "gemma-4b", "--machines", "sandbox"], {
        env: { CLORE_HOME: home },
        all: true,
        reject: false,
        stdin: "ignore",
      });
      expect(exitCode, all).toBe(0);
      expect(all).toContain(`  → ${standInSentence}`);
      expect(all).toMatch(/^Measured: {2}[\d.]+ tok\/s, on this machine's CPU$/m);
      expect(all).toMatch(/RTX 3060/);
      expect(all.trim().split("\n").at(-1)).toMatch(/^Nothing is left: 1 rented, 1 given back/);
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  });

  describe("that cannot work are refused at preview, before anything is rented", () => {
    const sessions: Session[] = [];
    afterAll(() => {
      for (const { directory } of sessions) rmSync(directory, { recursive: true, force: true });
    });

    async function preview(stack: string, config: Record<string, unknown>): Promise<string> {
      const { dir } = await ensurePulumi({ log: silentLog });
      const session = openSession(stack, false, dir);
      sessions.push(session);
      // Nobody answers there: what is refused here is refused without the marketplace.
      Object.assign(session.env, { CLORE_API_URL: "http://127.0.0.1:9/v1", CLORE_API_KEY: "none" });
      writeProject(session, {});
      await initStack(session);
      for (const [key, value] of Object.entries(config)) {
        const text = typeof value === "string" ? value : JSON.stringify(value);
        await execa("pulumi", ["config", "set", key, text, "--stack", stack], {
          cwd: session.directory,
          env: session.env,
        });
      }
      const { all, exitCode } = await execa(
        "pulumi",
        ["preview", "--stack", stack, "--suppress-permalink=true"],
        {
          cwd: session.directory,
          env: session.env,
          all: true,
          reject: false,
          stdin: "ignore",
        },
      );
      expect(exitCode, all).not.toBe(0);
      return all;
    }

    test.each([
      {
        name: "27 B on 12 GB",
        stack: "gemma-27b",
        config: { gpu: "RTX 3060" },
        says: [
          /gemma3:27b needs \d+\.\d GB, RTX 3060 has 12\.0 GB: \d\.\d GB are missing/,
          /classes that hold it: RTX 3090/,
        ],
      },
      {
        name: "a tag that does not exist",
        stack: "qwen-7b",
        config: { model: "qwen3.5:7b" },
        says: [/there is no model "qwen3\.5:7b"/, /nearest: qwen3\.5:9b, qwen2\.5:7b/],
      },
      {
        name: "mistakes in the configuration, all at once",
        stack: "gemma-4b",
        config: { maxPricePerDay: 0, mode: "vm", minVramShare: 2 },
        says: [/has 3 mistakes \(nothing was rented\)/, /mode: should be auto, native, docker or image/],
      },
    ])("$name", { timeout: 60_000 }, async ({ stack, config, says }) => {
      const text = (await preview(stack, config)).replace(/\s+/g, " ");
      for (const words of says) expect(text).toMatch(words);
      expect(text).not.toMatch(/at .*ollama-server\.ts/);
    });
  });
});
