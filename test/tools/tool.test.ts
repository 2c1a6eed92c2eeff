import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { silentLog } from "../../src/core/log.ts";
import { cacheDirectory } from "../../src/core/state-directory.ts";
import { checksumIn } from "../../tools/setup/download.ts";
import { pulumiOnPath, pulumiVersion } from "../../tools/setup/pulumi.ts";
import { ensureTool, isNewEnough, output, type Source, type Tool, which } from "../../tools/setup/tool.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "clore-tool-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function executable(file: string, body = "exit 0"): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `#!/bin/sh\n${body}\n`);
  chmodSync(file, 0o755);
}

describe("where a tool comes from", () => {
  interface Case {
    name: string;
    onPath?: boolean;
    cached?: boolean;
    /** What each source does: works, fails, or installs something that does not run. */
    download: "works" | "fails" | "broken";
    go: "works" | "fails";
    how?: string;
    tried: string[];
    seen?: string;
  }

  test.each<Case>([
    {
      name: "the PATH wins",
      onPath: true,
      cached: true,
      download: "works",
      go: "works",
      how: "path",
      tried: [],
    },
    { name: "then the cache", cached: true, download: "works", go: "works", how: "cache", tried: [] },
    {
      name: "then the official archive",
      download: "works",
      go: "works",
      how: "download",
      tried: ["download"],
    },
    { name: "then Go", download: "fails", go: "works", how: "go", tried: ["download", "go"] },
    {
      name: "an archive that does not run here is not kept",
      download: "broken",
      go: "works",
      how: "go",
      tried: ["download", "go"],
    },
    {
      name: "nothing works",
      download: "fails",
      go: "fails",
      tried: ["download", "go"],
      seen: "download: download failed; go: go failed",
    },
  ])("$name", async (row) => {
    const tried: string[] = [];
    const source = (how: Source["how"], result: "works" | "fails" | "broken"): Source => ({
      how,
      async install({ bin, scratch }) {
        tried.push(how);
        if (result === "fails") throw new Error(`${how} failed`);
        executable(join(bin, "thing"), result === "broken" ? "exit 1" : "exit 0");
        writeFileSync(join(bin, "made-by"), how);
        writeFileSync(join(scratch, "archive"), "");
      },
    });
    const tool: Tool = {
      name: "thing",
      version: "1.2.3",
      executables: ["thing"],
      onPath: async () => (row.onPath ? { dir: "/opt/thing", version: "1.3.0" } : undefined),
      async verify(bin) {
        if (readFileSync(join(bin, "thing"), "utf8").includes("exit 1")) throw new Error("does not run");
      },
      sources: [source("download", row.download), source("go", row.go)],
      missing: { code: "setup.no-thing", hint: "get it" },
    };
    if (row.cached) executable(join(dir, "thing/1.2.3/bin/thing"));
    const got = ensureTool(tool, { log: silentLog, cache: dir });
    if (!row.how) {
      await expect(got).rejects.toMatchObject({ code: "setup.no-thing", seen: row.seen, hint: "get it" });
    } else {
      const expectedDir = row.onPath ? "/opt/thing" : join(dir, "thing/1.2.3/bin");
      expect(await got).toEqual({ dir: expectedDir, version: row.onPath ? "1.3.0" : "1.2.3", how: row.how });
    }
    expect(tried).toEqual(row.tried);
    if (row.how === "go" || row.how === "download") {
      expect(readFileSync(join(dir, "thing/1.2.3/bin/made-by"), "utf8")).toBe(row.how);
      expect(readdirSync(join(dir, "thing/1.2.3"))).toEqual(["bin"]);
      expect((await ensureTool(tool, { log: silentLog, cache: dir })).how).toBe("cache");
    }
    const left = row.onPath ? [] : readdirSync(join(dir, "thing")).filter((name) => name !== "1.2.3");
    expect(left).toEqual([]);
  });

  test("what a killed run left is removed, and its lock does not block", async () => {
    mkdirSync(join(dir, "thing/.new-killed/bin"), { recursive: true });
    writeFileSync(join(dir, "thing/.lock"), JSON.stringify({ pid: 2 ** 22 + 1, host: hostname() }));
    const tool: Tool = {
      name: "thing",
      version: "1.2.3",
      executables: ["thing"],
      onPath: async () => undefined,
      verify: async () => {},
      sources: [{ how: "go", install: async ({ bin }) => executable(join(bin, "thing")) }],
      missing: { code: "x.y", hint: "" },
    };
    await ensureTool(tool, { log: silentLog, cache: dir });
    expect(readdirSync(join(dir, "thing"))).toEqual(["1.2.3"]);
  });
});

test("a signal ends the step that runs, and no other source is tried after it", async () => {
  const tried: string[] = [];
  const tool: Tool = {
    name: "thing",
    version: "1.2.3",
    executables: ["thing"],
    onPath: async () => undefined,
    verify: async () => {},
    sources: (["download", "go"] as const).map((how) => ({
      how,
      async install() {
        tried.push(how);
        setTimeout(() => process.emit("SIGTERM"), 100);
        await output("sleep", ["60"]);
      },
    })),
    missing: { code: "x.y", hint: "" },
  };
  const listeners = process.listenerCount("SIGTERM");
  await expect(ensureTool(tool, { log: silentLog, cache: dir })).rejects.toMatchObject({
    code: "setup.interrupted",
  });
  expect(tried).toEqual(["download"]);
  expect(readdirSync(join(dir, "thing"))).toEqual([]);
  expect(process.listenerCount("SIGTERM")).toBe(listeners);
});

test.each([
  ["3.259.0", true],
  ["v3.259.1", true],
  ["3.300.0-alpha.1", true],
  ["3.258.9", false],
  ["3.99.0", false],
  ["4.0.0", false],
  ["2.259.0", false],
  ["", false],
  ["unknown", false],
])("%s is new enough for 3.259.0: %s", (seen, expected) =>
  expect(isNewEnough(seen, "3.259.0")).toBe(expected),
);

describe("Pulumi on the PATH", () => {
  test.each([
    { name: "new enough, with its language host", cli: "echo v3.260.0", language: true, version: "3.260.0" },
    { name: "too old", cli: "echo v3.200.0", language: true, version: undefined },
    { name: "without its language host", cli: "echo v3.260.0", language: false, version: undefined },
    { name: "broken", cli: "exit 1", language: true, version: undefined },
  ])("$name", async ({ cli, language, version }) => {
    executable(join(dir, "a b/pulumi"), cli);
    if (language) executable(join(dir, "other/pulumi-language-nodejs"));
    const found = await pulumiOnPath(`/nowhere:${join(dir, "a b")}:${join(dir, "other")}`);
    expect(found).toEqual(version && { dir: join(dir, "a b"), version });
  });
});

test("the CLI, the SDK and the Go module are of one version", () => {
  const root = join(import.meta.dirname, "../..");
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  expect(packages["node_modules/@pulumi/pulumi"].version).toBe(pulumiVersion);
  const goMod = readFileSync(join(root, "tools/setup/pulumi-cli/go.mod"), "utf8");
  expect(goMod).toContain(`github.com/pulumi/pulumi/pkg/v3 v${pulumiVersion} `);
});

test("only what can be executed counts, in the order of the PATH", () => {
  mkdirSync(join(dir, "one"));
  writeFileSync(join(dir, "one/tool"), "");
  executable(join(dir, "two/tool"));
  expect(which("tool", `${dir}/one::${dir}/two`)).toBe(join(dir, "two/tool"));
  expect(which("tool", `${dir}/one`)).toBeUndefined();
});

test("the cache is outside of the clone, where the user wants it", () => {
  expect(cacheDirectory({ XDG_CACHE_HOME: "/c" })).toBe("/c/pulumi-clore");
  expect(cacheDirectory({ XDG_CACHE_HOME: "" })).toMatch(/\/\.cache\/pulumi-clore$/);
});

test.each([
  { name: "plain", list: "aa  other.tgz\nbb  x.tgz\n" },
  { name: "binary mode", list: "bb *x.tgz" },
  { name: "with a folder", list: "aa  ./y.tgz\nbb  ./x.tgz" },
])("a checksum is found in a list written $name", ({ list }) => {
  expect(checksumIn(list, "x.tgz")).toBe("bb");
  expect(checksumIn(list, "z.tgz")).toBeUndefined();
});
