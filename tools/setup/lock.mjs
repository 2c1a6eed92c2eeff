import { mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";

const beatMs = 2_000;
const staleMs = 30_000;

/**
 * Runs `work` while no other process does, told by a file that says who holds it. A killed holder does not block:
 * its process is gone, or (other host, other container) the file is no longer touched.
 *
 * @template T
 * @param {string} file
 * @param {() => void} onWait called once a second while somebody else holds the lock
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock(file, onWait, work) {
  mkdirSync(dirname(file), { recursive: true });
  while (!take(file)) {
    if (isStale(file)) {
      rmSync(file, { force: true });
      continue;
    }
    onWait();
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  const beat = setInterval(() => {
    const now = new Date();
    try {
      utimesSync(file, now, now);
    } catch {} // removed by hand: the work goes on
  }, beatMs);
  try {
    return await work();
  } finally {
    clearInterval(beat);
    rmSync(file, { force: true });
  }
}

function take(file) {
  try {
    writeFileSync(file, JSON.stringify({ pid: process.pid, host: hostname() }), { flag: "wx" });
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  }
}

function isStale(file) {
  try {
    if (Date.now() - statSync(file).mtimeMs > staleMs) return true;
    const holder = JSON.parse(readFileSync(file, "utf8"));
    return holder.host === hostname() && !isAlive(holder.pid);
  } catch {
    return false; // just released, or just being written
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}
