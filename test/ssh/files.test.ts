import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { connect } from "../../src/ssh/connect.ts";
import { writeFilesWith } from "../../src/ssh/files.ts";
import { END, parseComparison, writeScript } from "../../src/ssh/filescripts.ts";
import type { Exec } from "../../src/ssh/script.ts";
import type { RemoteFile, SshConnection } from "../../src/ssh/types.ts";
import { type Sshd, startSshd } from "../support/sshd.ts";
import { failure } from "./faults.ts";

const isRoot = process.getuid?.() === 0;
let sshd: Sshd;
let ssh: SshConnection;
/** A fresh folder on the "host", which is this machine. */
let folder: string;
beforeAll(async () => {
  sshd = await startSshd();
  ssh = await connect(sshd.target, { timeoutMs: 10_000 });
});
afterAll(async () => {
  await ssh?.close();
  await sshd?.[Symbol.asyncDispose]();
});
beforeEach(() => {
  folder = mkdtempSync(join(sshd.folder, "files-"));
});

const modeOf = (path: string) => statSync(path).mode & 0o7777;
const file = (name: string, content: string | Uint8Array, mode = 0o644): RemoteFile => ({
  path: join(folder, name),
  content,
  mode,
});

/** Runs on the shared connection and counts the round trips. */
function counted(): { exec: Exec; commands: { command: string; stdin: Uint8Array }[] } {
  const commands: { command: string; stdin: Uint8Array }[] = [];
  const exec: Exec = (command, options) => {
    commands.push({ command, stdin: Buffer.from(options.stdin ?? "") });
    return ssh.exec(command, options);
  };
  return { exec, commands };
}

describe("what is written", () => {
  test("content, mode and missing folders", async () => {
    const wanted = [file("a/b c/secret.env", "KEY=1\n", 0o600), file("run.sh", "#!/bin/sh\n", 0o755)];
    expect(await ssh.writeFiles(wanted)).toEqual(wanted.map(({ path }) => path));
    expect(readFileSync(join(folder, "a/b c/secret.env"), "utf8")).toBe("KEY=1\n");
    expect(modeOf(join(folder, "a/b c/secret.env"))).toBe(0o600);
    expect(modeOf(join(folder, "run.sh"))).toBe(0o755);
    expect(readdirSync(folder).toSorted()).toEqual(["a", "run.sh"]); // nothing temporary is left
  });

  test.each([
    { name: "content", change: () => writeFileSync(join(folder, "x"), "other") },
    { name: "mode", change: () => execFileSync("chmod", ["600", join(folder, "x")]) },
    { name: "absence", change: () => rmSync(join(folder, "x")) },
    { name: "an empty file", change: () => writeFileSync(join(folder, "x"), "") },
  ])("only what differs: $name", async ({ change }) => {
    const wanted = [file("same", "s"), file("x", "wanted")];
    await ssh.writeFiles(wanted);
    const before = lstatSync(join(folder, "same")).ino;
    change();
    expect(await ssh.writeFiles(wanted)).toEqual([join(folder, "x")]);
    expect(readFileSync(join(folder, "x"), "utf8")).toBe("wanted");
    expect(modeOf(join(folder, "x"))).toBe(0o644);
    expect(lstatSync(join(folder, "same")).ino).toBe(before);
    expect(await ssh.writeFiles(wanted)).toEqual([]);
  });

  test.runIf(isRoot)("owner and group, by name and by number", async () => {
    const wanted = [
      { ...file("u", "1"), owner: "daemon" },
      { ...file("ug", "2"), owner: "daemon:games" },
      { ...file("n", "3"), owner: "1:60" },
      file("mine", "4"),
    ];
    expect(await ssh.writeFiles(wanted)).toHaveLength(4);
    const owner = (name: string) => [statSync(join(folder, name)).uid, statSync(join(folder, name)).gid];
    expect(["u", "ug", "n", "mine"].map(owner)).toEqual([
      [1, 0],
      [1, 60],
      [1, 60],
      [0, 0],
    ]);
    expect(await ssh.writeFiles(wanted)).toEqual([]);
    execFileSync("chown", ["daemon", join(folder, "mine")]);
    expect(await ssh.writeFiles(wanted)).toEqual([join(folder, "mine")]);
  });

  test("relative paths in the home", async () => {
    const name = `.clore-test-${randomBytes(6).toString("hex")}`;
    try {
      const wanted = [{ path: `${name}/-x`, content: "1", mode: 0o644 }];
      expect(await ssh.writeFiles(wanted)).toEqual([`${name}/-x`]);
      expect(readFileSync(join(homedir(), name, "-x"), "utf8")).toBe("1");
      expect(await ssh.writeFiles(wanted)).toEqual([]);
    } finally {
      rmSync(join(homedir(), name), { recursive: true, force: true });
    }
  });

  test("20 files, one of 5 MB, in two round trips; nothing to do in one; no content in arguments", async () => {
    const secret = "very-secret-value";
    const wanted = Array.from({ length: 19 }, (_, i) => file(`d${i % 3}/f${i}`, `${secret} ${i}`, 0o600));
    wanted.push(file("big", randomBytes(5_000_001)));
    const first = counted();
    expect(await writeFilesWith(first.exec, "host", wanted)).toHaveLength(20);
    expect(first.commands).toHaveLength(2);
    expect(first.commands[1]!.stdin.length).toBeLessThan(5_100_000); // no base64
    for (const { command } of first.commands) {
      expect(command).not.toContain(secret);
      expect(command.length).toBeLessThan(30_000); // one packet on every server, and no room for the contents
    }
    expect(readFileSync(join(folder, "big")).equals(wanted[19]!.content as Buffer)).toBe(true);
    const second = counted();
    expect(await writeFilesWith(second.exec, "host", wanted)).toEqual([]);
    expect(second.commands).toHaveLength(1);
  });

  test("50 MB", async () => {
    const content = Buffer.alloc(50_000_000, randomBytes(1_000_003));
    await ssh.writeFiles([file("model", content)]);
    expect(readFileSync(join(folder, "model")).equals(content)).toBe(true);
    expect(await ssh.writeFiles([file("model", content)])).toEqual([]);
  });
});

test("any names and contents: written as they are, and nothing the second time", async () => {
  const part = fc
    .string({ unit: fc.constantFrom(..."ab .-$`'\"\\\n\t*?;&|<>()~é😀=%"), minLength: 1, maxLength: 12 })
    .filter((name) => !/^\.{1,2}$/.test(name));
  const path = fc
    .array(part, { minLength: 1, maxLength: 3 })
    .map((parts) => parts.map((p) => `${p}x`).join("/"));
  const mode = fc.integer({ min: 0, max: 0o777 }).map((bits) => bits | 0o400);
  // A name that is a file here and a folder there cannot be: folders get another ending.
  const files = fc.uniqueArray(fc.record({ path, content: fc.uint8Array({ maxLength: 300 }), mode }), {
    selector: (f) => f.path,
    minLength: 1,
    maxLength: 8,
  });
  let round = 0;
  await fc.assert(
    fc.asyncProperty(files, async (some) => {
      const base = join(folder, String(round++));
      const wanted = some.map((f) => ({ ...f, path: `${base}/${f.path.replaceAll("/", "/d/")}.file` }));
      expect(await ssh.writeFiles(wanted)).toEqual(wanted.map((f) => f.path));
      for (const f of wanted) {
        expect(Buffer.from(f.content).equals(readFileSync(f.path))).toBe(true);
        expect(modeOf(f.path)).toBe(f.mode);
      }
      expect(await ssh.writeFiles(wanted)).toEqual([]);
    }),
    { numRuns: 25 },
  );
});

describe("what goes wrong", () => {
  test("nothing is changed when one file cannot be written, and the host's words are in the error", async () => {
    writeFileSync(join(folder, "plain"), "a file");
    writeFileSync(join(folder, "old"), "old");
    const error = await failure(ssh.writeFiles([file("old", "new"), file("plain/below", "x")]));
    expect(error.code).toBe("ssh.write-failed");
    expect(error.seen).toMatch(/plain/);
    expect(readFileSync(join(folder, "old"), "utf8")).toBe("old");
    expect(readdirSync(folder).toSorted()).toEqual(["old", "plain"]);
  });

  test("a full disk leaves what was there", async () => {
    // A limit on file size fails a write in its middle, as a full disk does.
    const limited: Exec = (command, options) => ssh.exec(`ulimit -f 1000; trap '' XFSZ; ${command}`, options);
    writeFileSync(join(folder, "big"), "before");
    const error = await failure(writeFilesWith(limited, "host", [file("big", Buffer.alloc(2_000_000))]));
    expect(error.code).toBe("ssh.write-failed");
    expect(error.seen).toMatch(/^dd: .*File too large/);
    expect(readFileSync(join(folder, "big"), "utf8")).toBe("before");
    expect(readdirSync(folder)).toEqual(["big"]);
  });

  test("contents that arrive incomplete are never put in place", async () => {
    const cut: Exec = (command, options) =>
      ssh.exec(command, {
        ...options,
        stdin: options.stdin && Buffer.from(options.stdin).subarray(0, -100),
      });
    const error = await failure(
      writeFilesWith(cut, "host", [file("a", "1"), file("b", Buffer.alloc(5_000))]),
    );
    expect(error.code).toBe("ssh.write-failed");
    expect(error.seen).toMatch(/incomplete/);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a folder in the place of a file is said, not filled", async () => {
    mkdirSync(join(folder, "x"));
    const error = await failure(ssh.writeFiles([file("x", "1")]));
    expect(error.seen).toMatch(/is a folder/);
    expect(readdirSync(join(folder, "x"))).toEqual([]);
  });

  test.each([
    { path: "", mode: 0o600, problem: /names no file/ },
    { path: "a/", mode: 0o600, problem: /names no file/ },
    { path: "a/..", mode: 0o600, problem: /names no file/ },
    { path: "a\0b", mode: 0o600, problem: /names no file/ },
    { path: "a", mode: 600.5, problem: /is no mode/ },
    { path: "a", mode: 0o600, owner: "-R", problem: /user:group/ },
  ])("refuses $path $mode $owner", async ({ problem, ...rest }) => {
    const error = await failure(ssh.writeFiles([{ content: "", ...rest }]));
    expect(error.code).toBe("input.invalid");
    expect(error.message).toMatch(problem);
  });

  test("refuses the same path twice", async () => {
    const wanted = [
      { path: "x", content: "1", mode: 0o600 },
      { path: "./x", content: "2", mode: 0o600 },
    ];
    expect((await failure(ssh.writeFiles(wanted))).message).toMatch(/twice/);
  });
});

describe("links that others planted", () => {
  test.each(["file", "folder"])("a link at the path to a %s is replaced, not followed", async (to) => {
    const elsewhere = join(folder, "elsewhere");
    if (to === "file") writeFileSync(elsewhere, "precious");
    else mkdirSync(elsewhere);
    symlinkSync(elsewhere, join(folder, "x"));
    await ssh.writeFiles([file("x", "mine", 0o600)]);
    expect(lstatSync(join(folder, "x")).isSymbolicLink()).toBe(false);
    expect(readFileSync(join(folder, "x"), "utf8")).toBe("mine");
    if (to === "file") expect(readFileSync(elsewhere, "utf8")).toBe("precious");
    else expect(readdirSync(elsewhere)).toEqual([]);
  });

  test("a link at the temporary name is not written through", async () => {
    writeFileSync(join(folder, "precious"), "precious");
    symlinkSync(join(folder, "precious"), join(folder, ".clore-known-0"));
    const wanted = [{ path: join(folder, "x"), content: Buffer.from("mine"), mode: 0o600, owner: undefined }];
    const script = writeScript(wanted, "known");
    const stdin = `mine${END}`;
    expect((await ssh.exec(script, { stdin, timeoutMs: 5_000 })).exitCode).not.toBe(0);
    expect(readFileSync(join(folder, "precious"), "utf8")).toBe("precious");
    expect(existsSync(join(folder, "x"))).toBe(false);
    // The script is right otherwise: with another name it writes.
    expect((await ssh.exec(writeScript(wanted, "other"), { stdin, timeoutMs: 5_000 })).exitCode).toBe(0);
    expect(readFileSync(join(folder, "x"), "utf8")).toBe("mine");
  });

  test.runIf(isRoot)("a folder that another user made a link is refused", async () => {
    mkdirSync(join(folder, "elsewhere"));
    symlinkSync(join(folder, "elsewhere"), join(folder, "ours"));
    execFileSync("chown", ["-h", "daemon", join(folder, "ours")]);
    const error = await failure(ssh.writeFiles([file("ours/deep/x", "1")]));
    expect(error.seen).toMatch(/link made by another user/);
    expect(readdirSync(join(folder, "elsewhere"))).toEqual([]);
  });

  test("a folder that we made a link is followed", async () => {
    mkdirSync(join(folder, "elsewhere"));
    symlinkSync(join(folder, "elsewhere"), join(folder, "ours"));
    await ssh.writeFiles([file("ours/x", "1")]);
    expect(existsSync(join(folder, "elsewhere/x"))).toBe(true);
  });
});

describe("hosts with less on them", () => {
  test("without sha256sum everything is written", async () => {
    const without: Exec = (command, options) =>
      ssh.exec(
        `sha256sum() { echo no >&2; return 127; }; ${command === "sh" ? `eval "$(cat)"` : command}`,
        options,
      );
    const wanted = [file("a", "1"), file("b", "2")];
    await writeFilesWith(without, "host", wanted);
    expect(await writeFilesWith(without, "host", wanted)).toEqual(wanted.map(({ path }) => path));
    expect(readFileSync(join(folder, "b"), "utf8")).toBe("2");
  });

  const marker = "pulumi-clore-files";
  const digest = "a".repeat(64);
  test.each<{ name: string; stdout: string; told: boolean[] }>([
    { name: "plain", stdout: `${marker}\no-\n${digest}  /x\n= 644 root 0 root 0\n`, told: [true, false] },
    {
      name: "after a chatty login",
      stdout: `Welcome!\n${marker}\n-o\n${digest}  /x\n= 644 a 1 b 2\n`,
      told: [false, true],
    },
    {
      name: "escaped name",
      stdout: `${marker}\n-o\n\\${digest}  /x\\ny\n= 644 a 1 b 2\n`,
      told: [false, true],
    },
    {
      name: "a digest is missing",
      stdout: `${marker}\noo\n${digest}  /x\n= 644 a 1 b 2\n= 644 a 1 b 2\n`,
      told: [false, false],
    },
    { name: "no stat", stdout: `${marker}\noo\n${digest}  /x\n${digest}  /y\n`, told: [false, false] },
    { name: "nothing at all", stdout: "", told: [false, false] },
    { name: "lies", stdout: `${marker}\nooooooo\n`, told: [false, false] },
  ])("what cannot be told counts as different: $name", ({ stdout, told }) => {
    expect(parseComparison(stdout, 2).map((state) => state !== undefined)).toEqual(told);
  });
});
