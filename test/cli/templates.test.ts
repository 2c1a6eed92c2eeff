import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { parse } from "yaml";
import { main } from "../../src/cli/main.ts";

const template = (name: string) => readFileSync(new URL(`../../templates/${name}`, import.meta.url), "utf8");
const home = mkdtempSync(join(tmpdir(), "clore-templates-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** Every `clore …` that a template runs; what is shown in comments aside. */
function commandLines(text: string): string[] {
  return text
    .split("\n")
    .filter((line) => !line.trim().startsWith("#"))
    .flatMap((line) => /(?:npx|env) clore (.*)$/.exec(line)?.[1]?.trim() ?? []);
}

test.each([
  { name: "systemd/clore-guard.service", lines: ["guard --once"] },
  { name: "github/clore-guard.yml", lines: ["guard --once", "sweep"] },
  { name: "gitlab/clore-guard.yml", lines: ["guard --once", "sweep"] },
])("$name runs commands that exist, and cancels only what has a lease", async ({ name, lines }) => {
  expect(commandLines(template(name))).toEqual(lines);
  for (const line of lines) {
    const err: string[] = [];
    const io = { out: () => {}, err: (text: string) => void err.push(text), env: { CLORE_HOME: home } };
    // Understood: it only lacks the key.
    expect(await main(line.split(" "), { ...io, signal: new AbortController().signal })).toBe(1);
    expect(err.join()).toContain("clore.no-api-key");
  }
});

test("the pipelines run on a schedule, one at a time, with no more than they need", () => {
  const github = parse(template("github/clore-guard.yml"));
  expect(github).toMatchObject({
    on: { schedule: [{ cron: expect.any(String) }] },
    permissions: { contents: "read" },
    concurrency: "clore-guard",
    jobs: { guard: { "timeout-minutes": 15 } },
  });
  const { "clore-guard": gitlab } = parse(template("gitlab/clore-guard.yml"));
  expect(gitlab.rules).toEqual([{ if: '$CI_PIPELINE_SOURCE == "schedule" && $CLORE_GUARD' }]);
  expect(gitlab.resource_group).toBe("clore-guard");
});
