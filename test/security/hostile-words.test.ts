import fc from "fast-check";
import { expect, test } from "vitest";
import { CloreError, describeError } from "../../src/core/errors.ts";
import { judge } from "../../src/health/ask.ts";
import { parseFacts } from "../../src/host/facts.ts";
import { parseObserved } from "../../src/host/service/observe.ts";
import { verifyHost } from "../../src/host/verify.ts";
import { escapes, unprintable } from "./hostile-host.ts";

/** What our probe prints, each field in the hands of the host. */
const sections = {
  uname: ["x86_64", "6.1.0"],
  user: ["root", "0", "/root"],
  os: ["ID=debian", "VERSION_ID=12", 'PRETTY_NAME="Debian"'],
  cpu: ["16"],
  mem: ["MemTotal: 65000000 kB", "limit: 34359738368"],
  disk: ["overlay 104857600 1 104857599 1% /"],
  gpu: ["NVIDIA GeForce RTX 3090, 24576, 550.1"],
  pid1: ["sshd"],
  docker: ["cli", "socket /var/run/docker.sock", "writable", "version 24.0.1"],
  caps: ["CapEff: 00000000a80425fb"],
  tools: ["curl", "tar"],
  node: ["v24.1.0"],
};

const number = fc.oneof(
  fc.constantFrom(
    "-1",
    "NaN",
    "Infinity",
    "1e309",
    "-0",
    "0x7fffffff",
    "9".repeat(400),
    "1.5",
    "",
    "２４５７６",
  ),
  fc.integer().map(String),
);
const word = fc.oneof(
  number,
  fc.string({ unit: "binary", maxLength: 300 }),
  fc.constantFrom(
    escapes,
    `${escapes}RTX 3090`,
    "__proto__",
    "constructor",
    "x".repeat(100_000),
    "## user",
    "{".repeat(50_000),
  ),
);
/** An honest line with one of its words or figures replaced. */
const lieAbout = (line: string) =>
  fc.tuple(fc.nat(), word).map(([at, lie]) => {
    const words = line.split(/(?<=[ ,=/])/);
    words[at % words.length] = lie;
    return words.join("");
  });
const answers = fc
  .tuple(
    ...Object.entries(sections).map(([name, lines]) =>
      fc
        .tuple(
          ...lines.map((line) => fc.oneof({ weight: 3, arbitrary: fc.constant(line) }, lieAbout(line))),
          fc.integer({ min: 1, max: 40 }),
        )
        .map((all) => {
          const copies = all.at(-1) as number;
          const body = (all.slice(0, -1) as string[]).join("\n");
          return `## ${name}\n${`${body}\n`.repeat(copies)}`;
        }),
    ),
  )
  .map((parts) => parts.join(""));

test("facts are finite, bounded and printable, whatever a host says of itself", () => {
  let understood = 0;
  fc.assert(
    fc.property(answers, (text) => {
      const facts = attempt(() => parseFacts(text));
      if (facts instanceof CloreError) return expectSafe(describeError(facts));
      understood++;
      expectSafe(JSON.stringify(facts).replaceAll("\\n", " "), 40_000);
      for (const figure of numbersIn(facts)) {
        expect(Number.isFinite(figure)).toBe(true);
        expect(figure).toBeGreaterThanOrEqual(0);
        expect(figure).toBeLessThan(1e13);
      }
      const promised = { gpuModel: "RTX 3090", gpuCount: 1, minVramGb: 24, ramGb: 32, diskGb: 50 };
      for (const problem of verifyHost(promised, facts)) expectSafe(describeError(problem), 20_000);
    }),
    { numRuns: 400 },
  );
  expect(understood).toBeGreaterThan(50);
});

test("a host that hides what it must show is not believed to have it", () => {
  const honest = Object.entries(sections)
    .map(([name, lines]) => `## ${name}\n${lines.join("\n")}\n`)
    .join("");
  const without = (name: string) => honest.replace(new RegExp(`## ${name}\\n[^#]*`), "");
  const promised = { gpuModel: "RTX 3090", gpuCount: 1, minVramGb: 24, ramGb: 32, diskGb: 50 };
  const codes = (text: string) => verifyHost(promised, parseFacts(text)).map(({ code }) => code);
  expect(codes(honest)).toEqual([]);
  expect(codes(without("gpu"))).toEqual(["host.no-gpu"]);
  expect(codes(without("mem"))).toEqual(["host.too-little-ram"]);
  expect(codes(without("disk"))).toEqual(["host.too-little-disk"]);
});

test("what a service is seen to be is bounded and printable, whatever the host prints", () => {
  const line = fc.oneof(
    word,
    fc
      .tuple(
        fc.constantFrom("state", "pid", "since", "restarts", "last_exit", "digest", "supervisor", "free_kb"),
        word,
      )
      .map(([key, value]) => `${key}=${value}`),
    word.map((text) => `|${text}`),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 60 }), (lines) => {
      const seen = parseObserved(`## app\n${lines.join("\n")}`).get("app");
      expect(Object.getPrototypeOf(seen ?? {})).toBe(Object.prototype);
      for (const text of seen?.log ?? []) expect(text).not.toMatch(unprintable);
      expect(seen?.digest ?? "").not.toMatch(unprintable);
      for (const figure of numbersIn(seen)) expect(Number.isFinite(figure)).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test("what an endpoint answers is bounded and printable, right or wrong", () => {
  fc.assert(
    fc.property(word, fc.constantFrom(200, 500, 0, 999), (text, status) => {
      for (const body of [
        text,
        JSON.stringify({ response: text }),
        JSON.stringify({ __proto__: { response: text } }),
      ]) {
        const seen = judge({ jsonText: "response" }, status, body, 1);
        expectSafe(seen.ok ? seen.answer : seen.seen, 5000);
      }
    }),
    { numRuns: 200 },
  );
});

function expectSafe(text: string, most = 4000): void {
  expect(text).not.toMatch(unprintable);
  expect(text.length).toBeLessThan(most);
}

function attempt<T>(run: () => T): T | CloreError {
  try {
    return run();
  } catch (error) {
    if (error instanceof CloreError) return error;
    throw error;
  }
}

function numbersIn(value: unknown): number[] {
  if (typeof value === "number") return [value];
  return value !== null && typeof value === "object" ? Object.values(value).flatMap(numbersIn) : [];
}
