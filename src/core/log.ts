/** Where progress goes. `status` is ephemeral (a live line on a resource's row), the others stay as diagnostics. */
export interface Log {
  status(message: string): void;
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
}

export const silentLog: Log = { status() {}, debug() {}, info() {}, warn() {} };
