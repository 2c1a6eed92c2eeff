import { readFileSync } from "node:fs";
import { configure } from "./context.ts";
import { handlers } from "./handlers.ts";
import { Plugin, serve } from "./plugin.ts";

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

const plugin = new Plugin({ version, handlers, configure, engineAddress: process.argv[2] });
const { port, server } = await serve(plugin);
process.stdout.write(`${port}\n`);

/** An engine that was killed never says so: without this the plugin would go on renting with nobody to record it. */
const engine = process.ppid;
const watch = setInterval(() => {
  if (process.ppid !== engine) void stop("the engine is gone", false);
}, 500);
// The engine ends a plugin by SIGINT, and kills it some seconds later. A terminal's Ctrl-C does not come here: the
// engine gives plugins a process group of their own, and tells them by Cancel.
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.on(signal, () => void stop("the engine has finished", true));

async function stop(reason: string, inOrder: boolean): Promise<void> {
  clearInterval(watch);
  plugin.cancel(reason);
  // Long enough for handlers to write to the ledger what they know, short enough to be no orphan.
  await Promise.race([plugin.settled(), new Promise((resolve) => setTimeout(resolve, 5_000))]);
  if (inOrder && process.ppid === engine) plugin.runEnded();
  await Promise.race([plugin.close(), new Promise((resolve) => setTimeout(resolve, 1_000))]);
  server.forceShutdown();
  process.exit(0);
}
