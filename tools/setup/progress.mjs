/**
 * A `Log` for people at a terminal: `status` is one line that is overwritten; without a terminal (pipelines) it is
 * printed at most once in 15 s, so that a long step is seen to be alive and the log stays short.
 * Plain JavaScript, because tools/run.mjs needs it before Node 24 is there.
 *
 * @param {{ write(text: string): unknown, isTTY?: boolean, columns?: number }} stream
 * @param {() => number} now milliseconds
 */
export function terminalLog(stream = process.stderr, now = Date.now) {
  let shown = false;
  let last = Number.NEGATIVE_INFINITY;
  const clear = () => {
    if (shown) stream.write("\r\u001b[2K");
    shown = false;
  };
  const line = (text) => {
    clear();
    stream.write(`${text}\n`);
  };
  return {
    status(text) {
      if (stream.isTTY) {
        clear();
        stream.write(text.slice(0, (stream.columns || 80) - 1));
        shown = true;
      } else if (now() - last >= 15_000) {
        last = now();
        stream.write(`${text}\n`);
      }
    },
    debug() {},
    info: line,
    warn: line,
    /** Removes the live line; call it before something else writes to the terminal. */
    clear,
  };
}

/**
 * Shows `text()` with the seconds since the start until `work` settles.
 *
 * @template T
 * @param {{ status(text: string): void }} log
 * @param {() => string} text
 * @param {Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withSeconds(log, text, work) {
  const start = Date.now();
  const show = () => {
    const seconds = Math.round((Date.now() - start) / 1000);
    log.status(seconds === 0 ? `${text()} …` : `${text()} … ${seconds} s`);
  };
  show();
  const timer = setInterval(show, 1000);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}
