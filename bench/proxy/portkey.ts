import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openAiQuestion, openAiText, type Tool, upstreamKey } from "./tool.ts";

export const portkeyVersion = "@portkey-ai/gateway@1.15.2";

/**
 * Portkey's open-source gateway without its web page. It knows no keys of its own: the caller's is the upstream's, and
 * goes on to it. It listens on all addresses; there is no setting for that.
 */
export function portkey(cache: string): Tool {
  const folder = install(cache);
  const program = join(folder, "node_modules/@portkey-ai/gateway/build/start-server.js");
  return {
    title: "Portkey",
    start: ({ port }) => ({
      command: [process.execPath, program, "--headless", `--port=${port}`],
      env: { NODE_ENV: "production" },
    }),
    healthPath: "/",
    question: (upstream) =>
      openAiQuestion(upstreamKey, {
        "x-portkey-provider": "google",
        "x-portkey-custom-host": upstream,
      }),
    answerText: openAiText,
    checksKeys: false,
  };
}

/** Into a folder in the cache, once a version; no package's install script is run. */
function install(cache: string): string {
  const folder = join(cache, "portkey");
  const stamp = join(folder, "version.txt");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === portkeyVersion) return folder;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
  execFileSync("npm", ["install", "--prefix", folder, ...quiet, portkeyVersion], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  writeFileSync(stamp, portkeyVersion);
  return folder;
}
