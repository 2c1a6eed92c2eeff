import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect } from "../../src/ssh/connect.ts";
import type { SshConnection } from "../../src/ssh/types.ts";
import { type Sshd, startSshd } from "../support/sshd.ts";
import { bareServer, failure, lineTo } from "./faults.ts";

const quick = { timeoutMs: 5_000 };
let sshd: Sshd;
let ssh: SshConnection;
beforeAll(async () => {
  sshd = await startSshd();
  ssh = await connect(sshd.target, { timeoutMs: 10_000 });
});
afterAll(async () => {
  await ssh?.close();
  await sshd?.[Symbol.asyncDispose]();
});

/** True while the process is there. */
async function runs(pid: number): Promise<boolean> {
  return (await ssh.exec(`kill -0 ${pid}`, quick)).exitCode === 0;
}

/** Waits until the command has told its process id. */
function firstLine(): { onOutput: (stream: string, text: string) => void; line: Promise<string> } {
  const { promise, resolve } = Promise.withResolvers<string>();
  return { onOutput: (_stream, text) => resolve(text.trim()), line: promise };
}

describe("a command's result", () => {
  test.each<{ name: string; command: string; exitCode: number; stdout?: string; stderr?: string }>([
    { name: "success", command: "echo hi", exitCode: 0, stdout: "hi\n" },
    {
      name: "failure, both streams",
      command: "echo o; echo e >&2; exit 3",
      exitCode: 3,
      stdout: "o\n",
      stderr: "e\n",
    },
    { name: "killed by a signal", command: "kill -KILL $$", exitCode: 137 },
    { name: "ended by a signal", command: "kill -TERM $$", exitCode: 143 },
    { name: "no such command", command: "no-such-command 2>/dev/null", exitCode: 127 },
    {
      name: "a POSIX shell, whatever the account's",
      command: 'x="a b"; set -- $x; echo $#',
      exitCode: 0,
      stdout: "2\n",
    },
    { name: "quotes and lines", command: "printf '%s' \"it's\"\necho \\'", exitCode: 0, stdout: "it's'\n" },
    { name: "no stdin means an empty one", command: "cat; echo end", exitCode: 0, stdout: "end\n" },
  ])("$name", async ({ command, exitCode, stdout = "", stderr = "" }) => {
    expect(await ssh.exec(command, quick)).toEqual({ exitCode, stdout, stderr });
  });

  test("starts in the home of the user", async () => {
    const { stdout } = await ssh.exec("pwd; cd; pwd", quick);
    const [here, home] = stdout.split("\n");
    expect(here).toBe(home);
  });

  test("carries 10 MB of binary stdin", async () => {
    const stdin = Buffer.alloc(10_000_000, "0123456789abcdef\0\xff");
    const { stdout } = await ssh.exec("cksum; wc -c", { stdin, timeoutMs: 20_000 });
    expect(stdout).toContain(" 10000000\n");
  });

  test("does not mind a command that leaves its stdin unread", async () => {
    const stdin = Buffer.alloc(5_000_000);
    expect((await ssh.exec("exit 4", { stdin, ...quick })).exitCode).toBe(4);
  });

  test("puts characters together that were cut in two on the way", async () => {
    const pieces: string[] = [];
    const result = await ssh.exec(
      "printf 'a\\303'; sleep 0.1; printf '\\244b\\360\\237'; sleep 0.1; printf '\\230\\200'",
      {
        ...quick,
        onOutput: (stream, text) => pieces.push(`${stream}:${text}`),
      },
    );
    expect(result.stdout).toBe("aäb😀");
    expect(pieces).toEqual(["stdout:a", "stdout:äb", "stdout:😀"]);
  });

  test("is free of what login scripts print", async () => {
    const chatty = 'echo -n "Welcome! "; echo "Be nice" >&2; eval "$SSH_ORIGINAL_COMMAND"';
    await using host = await startSshd({ config: [`ForceCommand ${chatty}`] });
    await using connection = await connect(host.target, quick);
    const wanted = { exitCode: 1, stdout: "out\n", stderr: "err\n" };
    expect(await connection.exec("echo out; echo err >&2; exit 1", quick)).toEqual(wanted);
    const files = [{ path: `${host.folder}/x`, content: "1", mode: 0o600 }];
    expect(await connection.writeFiles(files)).toHaveLength(1);
    expect(await connection.writeFiles(files)).toEqual([]);
  });

  test("of an account that runs nothing shows what the host says", async () => {
    await using host = await startSshd({
      config: ["ForceCommand echo 'no commands here'; echo sorry >&2; exit 1"],
    });
    await using connection = await connect(host.target, quick);
    const wanted = { exitCode: 1, stdout: "no commands here\n", stderr: "sorry\n" };
    expect(await connection.exec("true", quick)).toEqual(wanted);
  });

  test("gives output while the command runs", async () => {
    const seen = firstLine();
    let ended = false;
    const done = ssh.exec("echo first; sleep 0.3", { ...quick, onOutput: seen.onOutput }).then(() => {
      ended = true;
    });
    expect(await seen.line).toBe("first");
    expect(ended).toBe(false);
    await done;
  });
});

describe("a command that must end", () => {
  test.each([
    { name: "one that waits", command: "echo $$; sleep 60; true" },
    { name: "one that ignores SIGTERM", command: "trap '' TERM; echo $$; while :; do sleep 0.1; done" },
    { name: "one that had stdin", command: "cat >/dev/null; echo $$; sleep 60; true", stdin: "x" },
  ])("at the time limit: $name", async ({ command, stdin }) => {
    const seen = firstLine();
    const error = await failure(ssh.exec(command, { stdin, timeoutMs: 300, onOutput: seen.onOutput }));
    expect(error).toMatchObject({ code: "ssh.command-timed-out", retry: "look-first" });
    expect(error.message).toMatch(/within 0.3 s/);
    expect(error.seen).toBe(await seen.line); // the command's own last lines
    expect(await runs(Number(await seen.line))).toBe(false);
  });

  test("on cancel", async () => {
    const seen = firstLine();
    const stop = new AbortController();
    const running = ssh.exec("echo $$; sleep 60; true", { timeoutMs: 60_000, signal: stop.signal, ...seen });
    const pid = Number(await seen.line);
    stop.abort(new Error("cancelled"));
    expect((await failure(running)).message).toBe("cancelled");
    expect(await runs(pid)).toBe(false);
  });

  test("not started at all when cancelled before", async () => {
    const signal = AbortSignal.abort(new Error("too late"));
    const file = `${sshd.folder}/never`;
    expect((await failure(ssh.exec(`touch ${file}`, { ...quick, signal }))).message).toBe("too late");
    expect((await ssh.exec(`test -e ${file}`, quick)).exitCode).toBe(1);
  });

  test("when it writes too much", async () => {
    const error = await failure(ssh.exec("yes", { ...quick, maxOutputBytes: 100_000 }));
    expect(error.code).toBe("ssh.too-much-output");
    expect(error.message).toContain("stdout");
    expect(
      (await ssh.exec("head -c 100000 /dev/zero", { ...quick, maxOutputBytes: 100_000 })).stdout,
    ).toHaveLength(100_000);
  });

  test("when the one who listens to its output fails", async () => {
    const onOutput = () => {
      throw new Error("listener");
    };
    expect((await failure(ssh.exec("yes", { ...quick, onOutput }))).message).toBe("listener");
  });
});

describe("side by side", () => {
  test("20 commands share one connection", async () => {
    const start = Date.now();
    const runs20 = Array.from({ length: 20 }, (_, i) => ssh.exec(`sleep 0.3; echo ${i}`, quick));
    const outputs = (await Promise.all(runs20)).map(({ stdout }) => Number(stdout));
    expect(outputs).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(Date.now() - start).toBeLessThan(5_000); // one after the other: over 6 s
  });

  test("on a host that allows two sessions only", async () => {
    await using narrow = await startSshd({ config: ["MaxSessions 2"] });
    await using connection = await connect(narrow.target, quick);
    const all = Array.from({ length: 12 }, (_, i) => connection.exec(`sleep 0.05; echo ${i}`, quick));
    expect((await Promise.all(all)).map(({ stdout }) => Number(stdout))).toEqual(
      Array.from({ length: 12 }, (_, i) => i),
    );
  });

  test("on a host that allows none", async () => {
    await using closed = await startSshd({ config: ["MaxSessions 0"] });
    await using connection = await connect(closed.target, quick);
    expect((await failure(connection.exec("true", quick))).code).toBe("ssh.no-exec");
  });
});

describe("a lost connection", () => {
  test.each(["cut", "hangUp"] as const)(
    "fails the command under way and is replaced by the next call: %s",
    async (how) => {
      await using line = await lineTo(sshd.target.port);
      await using through = await connect({ ...sshd.target, port: line.port }, quick);
      const seen = firstLine();
      const running = through.exec("echo $$; sleep 5", { timeoutMs: 10_000, onOutput: seen.onOutput });
      await seen.line;
      line[how]();
      const error = await failure(running);
      expect(error).toMatchObject({ code: "ssh.lost", retry: "look-first" });
      expect(error.message).toMatch(/whether it was carried out is unknown/);
      expect((await through.exec("echo back", quick)).stdout).toBe("back\n");
      expect(line.connections()).toBe(2);
    },
  );

  test("between calls is replaced once, however many calls come", async () => {
    await using line = await lineTo(sshd.target.port);
    await using through = await connect({ ...sshd.target, port: line.port }, quick);
    line.cut();
    await delay(50);
    const all = await Promise.all([1, 2, 3].map((n) => through.exec(`echo ${n}`, quick)));
    expect(all.map(({ stdout }) => stdout)).toEqual(["1\n", "2\n", "3\n"]);
    expect(line.connections()).toBe(2);
  });

  test("that breaks at the very moment of a call is replaced too: nothing was handed over", async () => {
    await using line = await lineTo(sshd.target.port);
    await using through = await connect({ ...sshd.target, port: line.port }, quick);
    line.cut(); // no turn of the event loop in between: it still looks alive
    expect((await through.exec("echo fine", quick)).stdout).toBe("fine\n");
  });

  test("before the host confirmed the command is no reason to run it again", async () => {
    let started = 0;
    await using host = await bareServer((session, hangUp) => {
      session.on("exec", (_accept, _reject, { command }) => {
        if (command.includes("pay")) started++; // it runs, but nobody is told
        hangUp();
      });
    });
    await using connection = await connect({ ...sshd.target, port: host.port }, quick);
    expect(await failure(connection.exec("pay", quick))).toMatchObject({
      code: "ssh.lost",
      retry: "look-first",
    });
    expect(started).toBe(1);
  });

  test("that nobody closed (half-open) is noticed by its silence", async () => {
    await using line = await lineTo(sshd.target.port);
    await using through = await connect(
      { ...sshd.target, port: line.port },
      { timeoutMs: 5_000, keepaliveMs: 50 },
    );
    const seen = firstLine();
    const running = through.exec("echo $$; sleep 5", { timeoutMs: 10_000, onOutput: seen.onOutput });
    await seen.line;
    line.silence();
    const error = await failure(running);
    expect(error.code).toBe("ssh.lost");
    expect(error.seen).toMatch(/Keepalive timeout/);
    expect((await through.exec("echo back", quick)).stdout).toBe("back\n");
  });

  test("is not replaced by a machine with another host key", async () => {
    await using other = await startSshd();
    await using connection = await connect(other.target, quick);
    const pinned = connection.hostKey;
    await other.restart({ newHostKey: true });
    const error = await failure(connection.exec("true", quick));
    expect(error.code).toBe("ssh.host-key-changed");
    expect(connection.hostKey).toBe(pinned);
  });

  test("of a host that is gone for good is a typed error", async () => {
    await using other = await startSshd();
    await using connection = await connect(other.target, quick);
    await other.kill();
    await delay(20);
    expect((await failure(connection.exec("true", quick))).code).toBe("ssh.refused");
  });

  test("is not opened again once it was closed here", async () => {
    const connection = await connect(sshd.target, quick);
    await connection.close();
    await connection.close();
    expect((await failure(connection.exec("true", quick))).code).toBe("ssh.closed");
  });
});
