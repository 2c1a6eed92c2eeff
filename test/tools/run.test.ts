import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
// @ts-expect-error plain JavaScript, which any Node can run
import { isInstalled, scriptsBlocked, unsupported } from "../../tools/run.mjs";

describe("what is installed is compared with the lock file", () => {
  const lock = {
    packages: {
      "": { version: "0.1.0" },
      "node_modules/a": { version: "1.0.0" },
      "node_modules/b": { version: "2.0.0", optional: true },
    },
  };
  const a = (version: string) => ({ "node_modules/a": { version } });
  const b = (version: string) => ({ "node_modules/b": { version } });
  test.each([
    { name: "nothing there", hidden: undefined, installed: false },
    { name: "all there", hidden: { packages: { ...a("1.0.0"), ...b("2.0.0") } }, installed: true },
    { name: "another platform's package is absent", hidden: { packages: a("1.0.0") }, installed: true },
    { name: "a package is absent", hidden: { packages: b("2.0.0") }, installed: false },
    { name: "older than the lock", hidden: { packages: { ...a("0.9.0"), ...b("2.0.0") } }, installed: false },
    {
      name: "an optional one older than the lock",
      hidden: { packages: { ...a("1.0.0"), ...b("1.0.0") } },
      installed: false,
    },
  ])("$name", ({ hidden, installed }) => expect(isInstalled(lock, hidden)).toBe(installed));
});

test.each([
  { node: "16.20.2", platform: "linux", problem: /Node 16\.20\.2 is too old.*18/ },
  { node: "18.0.0", platform: "linux", problem: undefined },
  { node: "20.1.0", platform: "darwin", problem: undefined },
  { node: "24.0.0", platform: "win32", problem: /WSL/ },
])("Node $node on $platform", ({ node, platform, problem }) => {
  if (problem) expect(unsupported(node, platform)).toMatch(problem);
  else expect(unsupported(node, platform)).toBeUndefined();
});

test("blocked install scripts are named, with the command that lets the two needed ones run", () => {
  expect(scriptsBlocked(true)).toMatch(/ignore-scripts is on/);
  expect(scriptsBlocked(false)).toMatch(/npm install-scripts ls/);
  expect(scriptsBlocked(false)).toContain("npm rebuild node esbuild --ignore-scripts=false");
});

/** A clone with a package manager of our own, so that no real install is needed. */
describe("a clone in a folder with a space", () => {
  let root: string;
  const real = join(import.meta.dirname, "../..");

  beforeEach(() => {
    root = join(mkdtempSync(join(tmpdir(), "clore-run-")), "my clone");
    mkdirSync(join(root, "tools"), { recursive: true });
    mkdirSync(join(root, "bin"));
    cpSync(join(real, "tools/run.mjs"), join(root, "tools/run.mjs"));
    for (const name of ["lock.mjs", "progress.mjs"])
      cpSync(join(real, "tools/setup", name), join(root, "tools/setup", name));
    cpSync(join(real, "bin/clore"), join(root, "bin/clore"));
    writeFileSync(
      join(root, "package-lock.json"),
      JSON.stringify({ packages: { "node_modules/a": { version: "1.0.0" } } }),
    );
  });
  afterEach(() => rmSync(dirname(root), { recursive: true, force: true }));

  /** An `npm` that does in a moment what the real one leaves behind; `count` has a line for each call. */
  function fakeNpm(script = ""): NodeJS.ProcessEnv {
    const bin = join(root, "..", "fake bin");
    mkdirSync(bin);
    const body = `#!/bin/sh
echo "$@" >> "${root}/count"
${script}
mkdir -p node_modules/.bin
ln -s "${process.execPath}" node_modules/.bin/node
echo '{"packages":{"node_modules/a":{"version":"1.0.0"}}}' > node_modules/.package-lock.json
`;
    writeFileSync(join(bin, "npm"), body, { mode: 0o755 });
    return { PATH: `${bin}:${process.env.PATH}`, npm_execpath: "" };
  }

  async function run(env: NodeJS.ProcessEnv, script: string, ...args: string[]) {
    writeFileSync(join(root, "tools/it.ts"), script);
    const child = spawn(process.execPath, ["tools/run.mjs", "tools/it.ts", ...args], {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const outcome = Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]).then(
      ([stdout, stderr, [code, signal]]) => ({ stdout, stderr, code, signal }),
    );
    return { child, outcome };
  }

  test("installs once, then runs the script with its arguments, PATH and exit code", async () => {
    const env = fakeNpm();
    const script =
      "console.log(JSON.stringify([process.argv.slice(2), process.env.PATH!.split(':')[0]])); process.exit(7);";
    for (const args of [["a", "b c"], []]) {
      const { stdout, code } = await (await run(env, script, ...args)).outcome;
      expect(JSON.parse(stdout)).toEqual([args, join(root, "node_modules/.bin")]);
      expect(code).toBe(7);
    }
    const count = readFileSync(join(root, "count"), "utf8");
    expect(count).toBe("ci --include=dev --no-audit --no-fund --loglevel=error\n");
    expect(readlinkSync(join(root, "node_modules/.bin/clore"))).toBe("../../bin/clore");
    expect(existsSync(join(root, ".clore/install.lock"))).toBe(false);
  });

  test("two runs at once install once", async () => {
    const env = fakeNpm("sleep 0.3");
    const runs = [await run(env, "console.log(1)"), await run(env, "console.log(1)")];
    for (const { outcome } of runs) expect(await outcome).toMatchObject({ stdout: "1\n", code: 0 });
    const count = readFileSync(join(root, "count"), "utf8");
    expect(count.trim().split("\n")).toHaveLength(1);
  });

  test("npm's own last words are shown when it fails", async () => {
    const { stderr, code } = await (await run(fakeNpm("echo the registry is away >&2; exit 3"), "")).outcome;
    expect(stderr).toContain("npm ci failed (exit 3):\nthe registry is away");
    expect(code).toBe(1);
  });

  test("an install that brought no Node 24 says how to allow it", async () => {
    const env = {
      ...fakeNpm("mkdir -p node_modules; echo '{\"packages\":{}}' > node_modules/.package-lock.json; exit 0"),
      npm_config_ignore_scripts: "true",
    };
    const { stderr, code } = await (await run(env, "")).outcome;
    expect(stderr).toMatch(/brought no Node 24: npm's setting ignore-scripts is on/);
    expect(code).toBe(1);
  });

  test.each(["SIGINT", "SIGTERM"] as const)(
    "%s reaches the script, whose exit code counts",
    async (signal) => {
      mkdirSync(join(root, "node_modules/.bin"), { recursive: true });
      symlinkSync(process.execPath, join(root, "node_modules/.bin/node"));
      writeFileSync(
        join(root, "node_modules/.package-lock.json"),
        '{"packages":{"node_modules/a":{"version":"1.0.0"}}}',
      );
      const script = `process.on("${signal}", () => process.exit(9)); setInterval(() => {}, 1000); console.log("ready");`;
      const { child, outcome } = await run({}, script);
      await once(child.stdout, "data");
      child.kill(signal);
      expect(await outcome).toMatchObject({ code: 9 });
    },
  );
});
