import { afterAll, beforeAll, expect, test } from "vitest";
import { connect } from "../../src/ssh/connect.ts";
import type { SshConnection } from "../../src/ssh/types.ts";
import { type Sshd, startSshd } from "../support/sshd.ts";

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

test("runs a command", async () => {
  expect(await ssh.exec("echo out; echo err >&2; exit 3", { timeoutMs: 5_000 })).toEqual({
    exitCode: 3,
    stdout: "out\n",
    stderr: "err\n",
  });
});
test("writes", async () => {
  const f = [{ path: `${sshd.folder}/a b/x`, content: "hé", mode: 0o640 }];
  expect(await ssh.writeFiles(f)).toEqual([`${sshd.folder}/a b/x`]);
  expect(await ssh.writeFiles(f)).toEqual([]);
  expect(
    (await ssh.exec(`cat '${sshd.folder}/a b/x'; ls -la '${sshd.folder}/a b'`, { timeoutMs: 5_000 })).stdout,
  ).toContain("hé");
});
