import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { connect } from "../../src/ssh/connect.ts";
import type { SshConnection } from "../../src/ssh/types.ts";
import { startRelay } from "../support/relay.ts";
import { type Sshd, startSshd } from "../support/sshd.ts";

const quick = { timeoutMs: 10_000 };
const ROUND_TRIP_MS = 200;
let sshd: Sshd;
beforeAll(async () => {
  sshd = await startSshd();
});
afterAll(() => sshd[Symbol.asyncDispose]());

/** Pids of shells of this host that wait for a command. */
function waiting(): number[] {
  const rows = execFileSync("ps", ["-eo", "pid=,ppid=,args="], { encoding: "utf8" })
    .trim()
    .split("\n")
    .map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line)!);
  const parent = new Map(rows.map(([, pid, ppid]) => [Number(pid), Number(ppid)]));
  const isOurs = (pid: number | undefined): boolean =>
    pid === sshd.pid || (pid !== undefined && pid !== 0 && isOurs(parent.get(pid)));
  return rows
    .filter(([, pid, , args]) => args!.startsWith("/bin/sh -c read -r n") && isOurs(Number(pid)))
    .map(([, pid]) => Number(pid));
}

async function withSpares(ssh: SshConnection, count = 2): Promise<void> {
  await ssh.exec(":", quick);
  await vi.waitFor(() => expect(waiting()).toHaveLength(count), { timeout: 5_000 });
}

describe("a step on a warm connection", () => {
  test("costs one round trip, with input or without, also the fourth in a row", async () => {
    await using far = await startRelay(sshd.target.port, { delayMs: ROUND_TRIP_MS / 2 });
    await using ssh = await connect({ ...sshd.target, port: far.port }, quick);
    await withSpares(ssh);
    await new Promise((resolve) => setTimeout(resolve, ROUND_TRIP_MS)); // their confirmation is under way
    const times: number[] = [];
    for (const stdin of [undefined, "some input", undefined, "x".repeat(50_000)]) {
      const start = performance.now();
      const { stdout, exitCode } = await ssh.exec("wc -c; exit 3", { ...quick, stdin });
      times.push((performance.now() - start) / ROUND_TRIP_MS);
      expect({ bytes: Number(stdout), exitCode }).toEqual({ bytes: stdin?.length ?? 0, exitCode: 3 });
    }
    expect(times.filter((roundTrips) => roundTrips > 1.9)).toEqual([]);
  });

  test("gives the command all its own: output, variables, input, exit code and process id", async () => {
    await using ssh = await connect(sshd.target, quick);
    const command = 'echo "$n,$c,$#"; cat; echo "it\'s" >&2; kill -TERM $$';
    const cold = await ssh.exec(command, { ...quick, stdin: "a\nb" });
    await withSpares(ssh);
    const warm = await ssh.exec(command, { ...quick, stdin: "a\nb" });
    expect(warm).toEqual(cold);
    expect(warm).toEqual({ exitCode: 143, stdout: ",,0\na\nb", stderr: "it's\n" });
  });

  test("can be of any length and hold any bytes", async () => {
    await using ssh = await connect(sshd.target, quick);
    await withSpares(ssh);
    const text = `${"ä'\"$`\\\n".repeat(9_000)}end`;
    const { stdout } = await ssh.exec(`cat <<'EOF'\n${text}\nEOF`, quick);
    expect(stdout).toBe(`${text}\n`);
  });

  test("is ended at its time limit", async () => {
    await using ssh = await connect(sshd.target, quick);
    await withSpares(ssh);
    const pids: string[] = [];
    const run = ssh.exec("echo $$; exec sleep 100", {
      timeoutMs: 300,
      onOutput: (_stream, text) => pids.push(text.trim()),
    });
    await expect(run).rejects.toMatchObject({ code: "ssh.command-timed-out" });
    expect((await ssh.exec(`kill -0 ${pids[0]}`, quick)).exitCode).toBe(1);
  });
});

describe("a waiting shell", () => {
  test("that was killed on the host is replaced unseen", async () => {
    await using ssh = await connect(sshd.target, quick);
    await withSpares(ssh);
    for (const pid of waiting()) process.kill(pid, "SIGKILL"); // no turn of the event loop: nobody here knows
    expect((await ssh.exec("echo fine", quick)).stdout).toBe("fine\n");
  });

  test("ends after a while without work, and the next command goes the longer way", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      await using ssh = await connect(sshd.target, quick);
      await ssh.exec(":", quick);
      while (waiting().length < 2) await new Promise(setImmediate);
      while (waiting().length > 0) {
        // Again and again: the host shows them before they are known here, and their time begins.
        vi.advanceTimersByTime(2_100);
        await new Promise(setImmediate);
      }
      expect((await ssh.exec("echo still", quick)).stdout).toBe("still\n");
    } finally {
      vi.useRealTimers();
    }
  });

  test("is done without where the host allows one session only", async () => {
    await using narrow = await startSshd({ config: ["MaxSessions 1"] });
    await using ssh = await connect(narrow.target, quick);
    const outputs: string[] = [];
    for (const n of [1, 2, 3]) outputs.push((await ssh.exec(`echo ${n}`, quick)).stdout);
    expect(outputs).toEqual(["1\n", "2\n", "3\n"]);
  });

  test("is gone with its connection", async () => {
    const ssh = await connect(sshd.target, quick);
    await withSpares(ssh);
    await ssh.close();
    await vi.waitFor(() => expect(waiting()).toEqual([]), { timeout: 5_000 });
  });
});
