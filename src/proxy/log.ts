/** From the most to the least that is written. Healthy probes are `debug`, requests `info`, refused ones `warn`. */
export const logLevels = ["debug", "info", "warn", "error", "silent"] as const;

export type LogLevel = Exclude<(typeof logLevels)[number], "silent">;

/** Writes one line of JSON. Fields never hold contents of messages, queries or keys. */
export type WriteLog = (level: LogLevel, event: string, fields?: Record<string, unknown>) => void;

/**
 * A log that leaves out what is below `least`.
 * @example const log = jsonLog("info", (line) => process.stdout.write(line)); log("info", "listening", { port: 8080 })
 */
export function jsonLog(least: (typeof logLevels)[number], write: (line: string) => void): WriteLog {
  return (level, event, fields) => {
    if (logLevels.indexOf(level) < logLevels.indexOf(least)) return;
    write(`${JSON.stringify({ time: new Date().toISOString(), level, event, ...fields })}\n`);
  };
}
