import { spawn } from "node:child_process";
import { constants } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { bundleProxy } from "./bundle.ts";
import { bundlePlugin } from "./bundle-plugin.ts";
import { terminalLog } from "./setup/progress.mjs";
import { ensurePulumi } from "./setup/pulumi.ts";

// `npm run pulumi -- up`: the Pulumi CLI on this clone with what its programs need, whatever Node and CLI the machine
// has. Programs are TypeScript, which an older Node on the PATH could not run.
const log = terminalLog();
await bundleProxy();
await bundlePlugin("clone");
const { dir } = await ensurePulumi({ log });
log.clear();

const bin = join(fileURLToPath(new URL("../", import.meta.url)), "node_modules", ".bin");
const child = spawn(join(dir, "pulumi"), process.argv.slice(2), {
  stdio: "inherit",
  env: { ...process.env, PATH: [bin, dir, process.env.PATH].join(delimiter) },
});
// The terminal's Ctrl-C reaches the engine by itself; what is sent to us alone is handed on.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => child.kill("SIGTERM"));
child.on("exit", (code, signal) => {
  process.exitCode = code ?? 128 + (signal ? constants.signals[signal] : 0);
});
