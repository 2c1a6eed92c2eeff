import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Secret } from "../../../src/core/secret.ts";
import { parseObserved, type ServiceSeen } from "../../../src/host/service/observe.ts";
import { planService } from "../../../src/host/service/plan.ts";
import { renderRelease, type ServiceSpec } from "../../../src/host/service/spec.ts";

const spec: ServiceSpec = {
  name: "web",
  command: ["node", "server.mjs"],
  secretEnv: { KEY: new Secret("one") },
};
const { digest } = renderRelease(spec);

function seen(more: Partial<ServiceSeen>): ServiceSeen {
  const base = parseObserved(`free_kb=1\n## web\nbackend=own\ndigest=${digest}\nhealthy=yes\n`).get("web")!;
  return { ...base, ...more };
}

test("one whose start was cut short is asked again", () => {
  const cutShort = seen({ state: "running", running: true, provenHealthy: false });
  expect(planService(spec, cutShort, "own")).toMatchObject({
    steps: ["check"],
    because: "an earlier start was cut short",
  });
});

describe("a service wanted and seen", () => {
  test.each<{
    name: string;
    want?: Partial<ServiceSpec>;
    seen: ServiceSeen;
    steps: string[];
    because: string;
  }>([
    {
      name: "not there",
      seen: seen({ installed: false, digest: undefined }),
      steps: ["write", "start"],
      because: "it is not there",
    },
    {
      name: "running",
      seen: seen({ state: "running", running: true }),
      steps: [],
      because: "it runs as wanted",
    },
    { name: "stopped", seen: seen({}), steps: ["write", "start"], because: "it does not run (stopped)" },
    {
      name: "crashing",
      seen: seen({ state: "backoff", lastExit: 3 }),
      steps: ["write", "start"],
      because: "it does not run (backoff, last exit code 3)",
    },
    {
      name: "changed",
      want: { env: { A: "1" } },
      seen: seen({ state: "running", running: true }),
      steps: ["write", "restart"],
      because: "its command, files, environment or supervisor changed",
    },
    {
      name: "changed secret",
      want: { secretEnv: { KEY: new Secret("two") } },
      seen: seen({ state: "running", running: true }),
      steps: ["write", "restart"],
      because: "its command, files, environment or supervisor changed",
    },
    {
      name: "ended with 0 under 'always'",
      seen: seen({ state: "exited", lastExit: 0 }),
      steps: ["write", "start"],
      because: "it does not run (exited, last exit code 0)",
    },
  ])("$name", ({ want, seen, steps, because }) => {
    expect(planService({ ...spec, ...want }, seen, "own")).toMatchObject({ steps, because });
  });
});

test("all mistakes of a spec come at once", () => {
  const wrong: ServiceSpec = {
    name: "Web/../x",
    command: [],
    env: { "A-B": "1" },
    files: [
      { path: "../up", content: "", mode: 0o600 },
      { path: "start", content: "", mode: 0o600 },
    ],
    ports: [70_000],
    health: { http: { port: 80, path: "no slash" }, timeoutSeconds: 1 },
  };
  expect(() => renderRelease(wrong)).toThrow(
    expect.objectContaining({
      code: "input.invalid",
      problems: [
        "name",
        "command",
        'env["A-B"]',
        'files["../up"]',
        'files["start"]',
        "ports",
        "health.http.path",
      ].map((path) => expect.objectContaining({ path })),
    }),
  );
});

test("any argument, setting and secret reaches the process as it was given", () => {
  const word = fc.string({ unit: "binary" }).filter((text) => !text.includes("\0"));
  const folder = mkdtempSync(join(tmpdir(), "clore-start-"));
  try {
    fc.assert(
      fc.property(fc.array(word, { maxLength: 4 }), word, word, (args, plain, secret) => {
        const program =
          "process.stdout.write(JSON.stringify([process.argv.slice(1), process.env.PLAIN, process.env.SECRET]))";
        const command = [process.execPath, "-e", program, "--", ...args];
        const want = {
          name: "echo",
          command,
          env: { PLAIN: plain },
          secretEnv: { SECRET: new Secret(secret) },
        };
        for (const file of renderRelease(want).files) {
          const path = join(folder, file.path.split("/").at(-1)!);
          mkdirSync(dirname(path), { recursive: true });
          writeFileSync(path, file.content, { mode: file.mode });
        }
        const ran = spawnSync("/bin/sh", [join(folder, "start")], { encoding: "utf8" });
        expect(JSON.parse(ran.stdout)).toEqual([args, plain, secret]);
      }),
      { numRuns: 25 },
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

describe("what the host says of services", () => {
  test("a log cannot pose as an answer", () => {
    const text = "free_kb=2\n## web\nbackend=own\ndigest=aa\n|## other\n|pid=1\n|digest=bb\u001b[2J\n";
    const all = parseObserved(text);
    expect([...all.keys()]).toEqual(["web"]);
    expect(all.get("web")).toMatchObject({ digest: "aa", pid: undefined, freeBytes: 2048 });
    expect(all.get("web")!.log).toEqual(["## other", "pid=1", "digest=bb\\x1b[2J"]);
  });

  test.each([
    {
      name: "running",
      lines: "supervisor=5\nstate=running\npid=7\nsince=10\nrestarts=2\nlast_exit=\nalive=yes",
      want: { running: true, pid: 7, sinceMs: 10_000, restarts: 2, lastExit: undefined },
    },
    {
      name: "dead supervisor",
      lines: "supervisor=\nstate=running\npid=7\nalive=yes",
      want: { running: false, state: "stopped", pid: undefined },
    },
    {
      name: "dead process",
      lines: "supervisor=5\nstate=running\npid=7",
      want: { running: false, state: "stopped" },
    },
    {
      name: "rubbish",
      lines: "supervisor=x\nstate=flying\npid=-1\nrestarts=many\nalive=yes",
      want: { running: false, state: "stopped", restarts: 0 },
    },
  ])("$name", ({ lines, want }) => {
    expect(parseObserved(`## web\nbackend=own\n${lines}\n`).get("web")).toMatchObject(want);
  });
});
