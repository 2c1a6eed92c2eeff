import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { cacheDirectory } from "../../src/core/state-directory.ts";
import { localOllama } from "../../src/host/ollama/install.ts";
import { freePort } from "./sshd.ts";

/** A real Ollama of this machine, on the CPU, with a home of its own. */
export interface TestOllama extends AsyncDisposable {
  port: number;
  home: string;
  /** Ends it as a crash does. */
  kill(): Promise<void>;
  /** Starts it again, on the same port with the same home. */
  start(): Promise<void>;
  /** A call of its API, past our own code. */
  api(method: string, path: string, body?: unknown): Promise<unknown>;
}

/** The folder that holds `bin/ollama`. For tests that are guarded by `needs("ollama")`. */
export async function ollamaHome(): Promise<string> {
  const arch = process.arch === "arm64" ? "aarch64" : "x86_64";
  const home = await localOllama(cacheDirectory(process.env), { arch });
  if (home === undefined) throw new Error("there is no Ollama of the pinned version on this machine");
  return home;
}

/**
 * Starts it on loopback. What a killed one downloaded is kept, as on hosts.
 * `diskKb`: its folder is a file system of that size; needs root.
 */
export async function startOllama({ diskKb }: { diskKb?: number } = {}): Promise<TestOllama> {
  const program = join(await ollamaHome(), "bin/ollama");
  const port = await freePort();
  const home = mkdtempSync(join(tmpdir(), "clore-ollama-"));
  if (diskKb !== undefined) execFileSync("mount", ["-t", "tmpfs", "-o", `size=${diskKb}k`, "tmpfs", home]);
  const url = `http://127.0.0.1:${port}`;
  let child: ReturnType<typeof spawn> | undefined;
  const killAtExit = () => child?.kill("SIGKILL");
  process.once("exit", killAtExit);
  const start = async () => {
    // With the rest of the environment: `npm test` tells by it what is left over from its run.
    const own = { HOME: home, OLLAMA_MODELS: join(home, "models"), OLLAMA_HOST: `127.0.0.1:${port}` };
    const env = { ...process.env, ...own, OLLAMA_NOPRUNE: "1" };
    child = spawn(program, ["serve"], { env, stdio: "ignore" });
    for (let tries = 0; tries < 400; tries++) {
      if (
        await fetch(`${url}/api/version`).then(
          ({ ok }) => ok,
          () => false,
        )
      )
        return;
      await delay(25);
    }
    throw new Error("Ollama did not start");
  };
  // Its runners, one a loaded model, end with it.
  const kill = async () => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGTERM");
    await gone;
  };
  await start();
  return {
    port,
    home,
    kill,
    start,
    async api(method, path, body) {
      const response = await fetch(url + path, {
        method,
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      return JSON.parse((await response.text()) || "{}");
    },
    async [Symbol.asyncDispose]() {
      await kill();
      process.off("exit", killAtExit);
      if (diskKb !== undefined) execFileSync("umount", [home]);
      rmSync(home, { recursive: true, force: true });
    },
  };
}
