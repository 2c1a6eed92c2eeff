import { describe, expect, test } from "vitest";
import { film } from "../../tools/record/frames.ts";
import { type Screen, VirtualTerminal } from "../../tools/record/screen.ts";
import { toSvg } from "../../tools/record/svg.ts";

const screen = (text: string): Screen => [[{ column: 0, text }]];

describe("shots become a film", () => {
  const shots = (...times: number[]) => times.map((at) => ({ at, screen: screen(`at ${at}`) }));
  const texts = (frames: ReturnType<typeof film>) =>
    frames.map(({ screen, ms }) => [screen[0]![0]!.text, ms]);

  test.each([
    { name: "nothing", at: [], frames: [] },
    { name: "the last picture stands", at: [0], frames: [["at 0", 6000]] },
    {
      name: "each stands as long as it stood",
      at: [0, 500, 1500],
      frames: [
        ["at 0", 500],
        ["at 500", 1000],
        ["at 1500", 6000],
      ],
    },
    {
      name: "a long wait is cut",
      at: [0, 90_000],
      frames: [
        ["at 0", 2000],
        ["at 90000", 6000],
      ],
    },
    {
      name: "flicker is dropped, its time kept",
      at: [0, 10, 20, 300, 305],
      frames: [
        ["at 20", 300],
        ["at 305", 6000],
      ],
    },
  ])("$name", ({ at, frames }) =>
    expect(texts(film(shots(...at), { minMs: 100, maxMs: 2000 }))).toEqual(frames),
  );
});

test("the screen is what a terminal shows, overwritten lines and colours included", async () => {
  const terminal = new VirtualTerminal(40, 3);
  await terminal.write(
    "old text\r\u001b[2K\u001b[1;32mok\u001b[0m  \u001b[38;5;208mwarm\u001b[0m\r\n\n   in\r\nlast",
  );
  expect(terminal.look()).toEqual([
    [],
    [{ column: 3, text: "in", color: undefined, bold: false, dim: false }],
    [{ column: 0, text: "last", color: undefined, bold: false, dim: false }],
  ]);
  await terminal.write(
    "\u001b[1;1H\u001b[1;32mok\u001b[0m \u001b[38;5;208mwarm\u001b[0m \u001b[2;38;2;1;2;3mx\u001b[0m",
  );
  expect(terminal.look()[0]).toEqual([
    { column: 0, text: "ok", color: "#3fb950", bold: true, dim: false },
    { column: 3, text: "warm", color: "#ff8700", bold: false, dim: false },
    { column: 8, text: "x", color: "#010203", bold: false, dim: true },
  ]);
});

describe("the drawing", () => {
  const frames = [
    {
      screen: [
        [{ column: 0, text: "same" }],
        [{ column: 2, text: 'a < b & "c"', color: "#ff0000", bold: true }],
      ],
      ms: 1000,
    },
    { screen: [[{ column: 0, text: "same" }], []], ms: 3000 },
  ];
  const svg = toSvg(frames, { columns: 20, rows: 2, title: "x & y" });

  test("escapes what is text, in content and attributes", () => {
    expect(svg).toContain(">a &#60; b &#38; &#34;c&#34;</text>");
    expect(svg).toContain('aria-label="x &#38; y"');
  });

  test("draws equal rows once", () => {
    expect(svg.match(/>same</g)).toHaveLength(1);
    expect(svg.match(/href="#r0"/g)).toHaveLength(2);
  });

  test("plays for as long as its pictures, and rests on the last one without animation", () => {
    expect(svg).toContain("animation:film 4s");
    expect(svg).toMatch(
      /@keyframes film\{0%\{transform:translateX\(0px\)\}25%\{transform:translateX\(-196px\)\}\}/,
    );
    expect(svg).toContain("#film{transform:translateX(-196px)}");
  });
});
