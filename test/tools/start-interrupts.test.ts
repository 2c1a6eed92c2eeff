import { expect, test } from "vitest";
import { Interrupts } from "../../tools/start/interrupts.ts";

/** Ctrl-C at these milliseconds, by signal or as learned from the engine, and what comes of it. */
function press(...presses: readonly (readonly ["signalled" | "learned", number])[]): string[] {
  const done: string[] = [];
  let now = 0;
  const interrupts = new Interrupts(
    () => done.push(`told at ${now}`),
    () => done.push(`stopped at ${now}`),
    () => now,
  );
  for (const [how, at] of presses) {
    now = at;
    interrupts[how]();
  }
  expect(interrupts.seen).toBe(presses.length > 0);
  return done;
}

test("one Ctrl-C, however often it comes, gives back", () => {
  expect(press()).toEqual([]);
  expect(press(["signalled", 10], ["signalled", 12], ["signalled", 1900], ["learned", 5000])).toEqual([
    "told at 10",
  ]);
});

test("one more, once it was told what it does, stops at once", () => {
  expect(press(["signalled", 10], ["signalled", 2500])).toEqual(["told at 10", "stopped at 2500"]);
});

test("one that only the engine had counts from when it was told", () => {
  expect(press(["learned", 4000], ["signalled", 4300], ["signalled", 6500])).toEqual([
    "told at 4000",
    "stopped at 6500",
  ]);
});
