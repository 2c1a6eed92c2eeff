import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { freshState, type GateState } from "./gate-rules.ts";

/** Where the state of a gate lives. `update` is atomic among all who share it. */
export interface GateStore {
  /**
   * Replaces the state by `change(state)` and gives it back.
   * @throws StoreBusy when another process holds it right now: try again in a moment
   */
  update(change: (state: GateState) => GateState): GateState;
  close(): void;
}

export class StoreBusy extends Error {}

/** For one process: where no directory can be written. */
export function memoryStore(): GateStore {
  let state = freshState;
  return {
    update: (change) => {
      state = change(state);
      return state;
    },
    close() {},
  };
}

/**
 * For all processes of a machine: one row in `<directory>/<name>.sqlite`. The kernel drops the lock of a killed
 * process, and nothing is reserved ahead, so the most that a kill can waste is the slot just taken.
 * @throws the system's or SQLite's error when the directory or file cannot be used
 */
export function sqliteStore(directory: string, name: string): GateStore {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const database = new DatabaseSync(join(directory, `${name}.sqlite`), { timeout: 5 });
  try {
    // What a power cut can lose here is one pause: not worth a disk flush a request.
    whenFree(() =>
      database.exec(`
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = OFF;
        CREATE TABLE IF NOT EXISTS gate (
          id INTEGER PRIMARY KEY CHECK (id = 1),
          lastRequestMs REAL NOT NULL, lastCreateMs REAL NOT NULL, blockedUntilMs REAL NOT NULL, lastOwner TEXT NOT NULL
        );
        INSERT OR IGNORE INTO gate VALUES (1, 0, 0, 0, '');
      `),
    );
  } catch (error) {
    database.close();
    throw error;
  }
  const read = database.prepare("SELECT lastRequestMs, lastCreateMs, blockedUntilMs, lastOwner FROM gate");
  const write = database.prepare(
    "UPDATE gate SET lastRequestMs = ?, lastCreateMs = ?, blockedUntilMs = ?, lastOwner = ?",
  );
  return {
    update: (change) => {
      asBusy(() => database.exec("BEGIN IMMEDIATE"));
      try {
        const row = read.get();
        const state = change(row === undefined ? freshState : (row as unknown as GateState));
        write.run(state.lastRequestMs, state.lastCreateMs, state.blockedUntilMs, state.lastOwner);
        database.exec("COMMIT");
        return state;
      } catch (error) {
        if (database.isTransaction) database.exec("ROLLBACK");
        throw isBusy(error) ? new StoreBusy("the gate's file is locked", { cause: error }) : error;
      }
    },
    close: () => database.close(),
  };
}

/** Many processes may start at once; changing the journal's mode does not wait for the lock by itself. */
function whenFree(action: () => void): void {
  for (let attempt = 1; ; attempt++) {
    try {
      action();
      return;
    } catch (error) {
      if (!isBusy(error) || attempt === 100) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 25);
    }
  }
}

function asBusy(action: () => void): void {
  try {
    action();
  } catch (error) {
    throw isBusy(error) ? new StoreBusy("the gate's file is locked", { cause: error }) : error;
  }
}

/** SQLITE_BUSY (5) and SQLITE_LOCKED (6) with their extended forms in the upper bits. */
function isBusy(error: unknown): boolean {
  if (!(error instanceof Error) || !("errcode" in error)) return false;
  const code = Number(error.errcode) & 0xff;
  return code === 5 || code === 6;
}
