import { describeError } from "../core/errors.ts";
import { type ProxyConfig, readConfig } from "./config.ts";
import { jsonLog } from "./log.ts";
import { startProxy } from "./server.ts";
import { proxyVersion } from "./version.ts";

/** Running requests have this long to end after SIGTERM, in milliseconds. */
const graceMs = 10_000;

await main();

/** Exit codes: 0 stopped by a signal, 1 cannot listen, 2 settings are wrong. */
async function main(): Promise<void> {
  let config: ProxyConfig;
  try {
    config = readConfig(process.env);
  } catch (error) {
    process.stderr.write(`${describeError(error)}\n`);
    process.exitCode = 2;
    return;
  }
  const log = jsonLog(config.logLevel, (line) => process.stdout.write(line));
  try {
    const proxy = await startProxy(config, { log });
    const { host, upstream, model } = config;
    log("info", "listening", { host, port: proxy.port, upstream, model, version: proxyVersion });
    const onSignal = async (signal: string) => {
      log("info", "stopping", { signal });
      await proxy.stop(graceMs);
      log("info", "stopped");
      process.exit(0);
    };
    // Once: a second signal ends the process at once.
    process.once("SIGTERM", onSignal);
    process.once("SIGINT", onSignal);
  } catch (error) {
    process.stderr.write(`${describeError(error)}\n`);
    process.exitCode = 1;
  }
}
