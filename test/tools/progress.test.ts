import { expect, test } from "vitest";
import { terminalLog } from "../../tools/setup/progress.mjs";

function stream(isTTY: boolean) {
  const written: string[] = [];
  return { written, isTTY, columns: 20, write: (text: string) => written.push(text) };
}

test("at a terminal the live line is overwritten, cut to its width, and gone before other output", () => {
  const out = stream(true);
  const log = terminalLog(out);
  log.status("building: 1 package");
  log.status("building: 2 packages, and a long tail");
  log.info("done");
  expect(out.written).toEqual([
    "building: 1 package",
    "\r\u001b[2K",
    "building: 2 package",
    "\r\u001b[2K",
    "done\n",
  ]);
});

test("without one it is a line at most every 15 s", () => {
  const out = stream(false);
  let now = 0;
  const log = terminalLog(out, () => now);
  for (; now < 40_000; now += 1000) log.status(`at ${now / 1000} s`);
  expect(out.written).toEqual(["at 0 s\n", "at 15 s\n", "at 30 s\n"]);
});
