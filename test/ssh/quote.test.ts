import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { expect, test } from "vitest";
import { quote } from "../../src/ssh/quote.ts";

/** What a real shell makes of a command line's arguments. */
function asSeenByShell(line: string): string[] {
  const output = execFileSync("/bin/sh", ["-c", `printf '%s\\0' ${line}`], { encoding: "utf8" });
  return output.split("\0").slice(0, -1);
}

test.each<{ args: string[]; line: string }>([
  { args: ["a", "b/c.d", "--x=1"], line: "a b/c.d '--x=1'" },
  { args: [""], line: "''" },
  { args: ["it's"], line: "'it'\\''s'" },
  { args: ["$HOME `id`", "a\nb", "~"], line: "'$HOME `id`' 'a\nb' '~'" },
])("quotes $args", ({ args, line }) => {
  expect(quote(args)).toBe(line);
  expect(asSeenByShell(line)).toEqual(args);
});

test("every argument reaches the command as it is", () => {
  const character = fc.oneof(
    fc.constantFrom(..."'\"\\$`!*?[]{}()<>|&;#~=% \t\n\r-".split("")),
    fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
  );
  const argument = fc
    .array(character, { maxLength: 12 })
    .map((parts) => parts.join("").replaceAll("\0", ""))
    .filter((text) => text.isWellFormed());
  fc.assert(
    fc.property(fc.array(argument, { minLength: 1, maxLength: 20 }), (args) => {
      expect(asSeenByShell(quote(args))).toEqual(args);
    }),
    { numRuns: 150 },
  );
});

test("refuses a NUL, which no command line can carry", () => {
  expect(() => quote(["a\0b"])).toThrow(TypeError);
});
