import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { generateKeyPair } from "../../src/ssh/keypair.ts";
import { SshPool } from "../../src/ssh/pool.ts";
import type { SshTarget } from "../../src/ssh/types.ts";
import { type Sshd, startSshd } from "../support/sshd.ts";
import { failure, faultyServer, type Line, lineTo } from "./faults.ts";

const soon = { deadlineMs: 5_000 };
const quick = { timeoutMs: 5_000 };
let sshd: Sshd;
/** Counts the connections. */
let line: Line;
let target: SshTarget;
let pool: SshPool;
beforeAll(async () => {
  sshd = await startSshd();
});
afterAll(() => sshd?.[Symbol.asyncDispose]());
beforeEach(async () => {
  line = await lineTo(sshd.target.port);
  target = { ...sshd.target, port: line.port };
  pool = new SshPool({ idleMs: 50 });
});
afterEach(async () => {
  await pool.closeAll();
  await line[Symbol.asyncDispose]();
});

test("all who come at once share one dial, and 20 commands run side by side", async () => {
  const users = await Promise.all(Array.from({ length: 20 }, () => pool.acquire(target, soon)));
  const outputs = await Promise.all(users.map((ssh, i) => ssh.exec(`echo ${i}`, quick)));
  expect(outputs.map(({ stdout }) => stdout)).toEqual(users.map((_, i) => `${i}\n`));
  expect(line.connections()).toBe(1);
});

test("giving it back leaves it to the others; it closes when nobody has used it for a while", async () => {
  const one = await pool.acquire(target, soon);
  const two = await pool.acquire(target, soon);
  await one.close();
  await one.close();
  expect((await failure(one.exec("true", quick))).code).toBe("ssh.closed");
  await delay(100);
  expect((await two.exec("echo still", quick)).stdout).toBe("still\n");
  await two.close();
  await using three = await pool.acquire(target, soon); // within the idle time
  expect(line.connections()).toBe(1);
  await three.close();
  await delay(150);
  await using four = await pool.acquire(target, soon);
  expect((await four.exec("echo anew", quick)).stdout).toBe("anew\n");
  expect(line.connections()).toBe(2);
});

test("a lease ends its own forwards only", async () => {
  const one = await pool.acquire(target, soon);
  await using two = await pool.acquire(target, soon);
  const mine = await one.forward({ host: "127.0.0.1", port: sshd.target.port });
  const theirs = await two.forward({ host: "127.0.0.1", port: sshd.target.port });
  await one.close();
  const through = (port: number) => pool.acquire({ ...sshd.target, port }, { deadlineMs: 400 });
  expect((await failure(through(mine.localPort))).code).toBe("ssh.refused");
  expect((await through(theirs.localPort)).hostKey).toBe(sshd.hostKey);
});

test("another key is another connection; a pin that does not fit is refused", async () => {
  await using first = await pool.acquire(target, soon);
  expect(first.hostKey).toBe(sshd.hostKey);
  const other = { ...target, hostKey: generateKeyPair().publicKey };
  expect((await failure(pool.acquire(other, soon))).code).toBe("ssh.host-key-changed");
  expect(line.connections()).toBe(1);
  const stranger = { ...target, privateKey: generateKeyPair().privateKey };
  expect((await failure(pool.acquire(stranger, { deadlineMs: 200 }))).code).toBe("ssh.auth-failed");
});

test("a failed dial is not remembered", async () => {
  const hidden = { ...sshd.target };
  await sshd.kill();
  expect((await failure(pool.acquire(hidden, { deadlineMs: 100 }))).code).toBe("ssh.refused");
  await sshd.restart();
  await using ssh = await pool.acquire(hidden, soon);
  expect((await ssh.exec("echo up", quick)).stdout).toBe("up\n");
});

test("who stops waiting does not spoil it for the others; the last one ends the dial", async () => {
  await using silent = await faultyServer(() => {});
  const away = { ...target, port: silent.port };
  const stops = [new AbortController(), new AbortController()];
  const waiting = stops.map((stop) =>
    failure(pool.acquire(away, { deadlineMs: 60_000, signal: stop.signal })),
  );
  await delay(50);
  let second = false;
  void waiting[1]!.then(() => {
    second = true;
  });
  stops[0]!.abort(new Error("one"));
  expect((await waiting[0]!).message).toBe("one");
  await delay(30);
  expect(second).toBe(false);
  stops[1]!.abort(new Error("two"));
  expect((await waiting[1]!).message).toBe("two");
  await silent.allClosed();
});

test("closeAll ends connections in use and dials under way, and nothing can be acquired any more", async () => {
  await using silent = await faultyServer(() => {});
  const used = await pool.acquire(target, soon);
  const dialling = failure(pool.acquire({ ...target, port: silent.port }, { deadlineMs: 60_000 }));
  await delay(30);
  await pool.closeAll();
  expect((await dialling).code).toBe("ssh.closed");
  expect((await failure(used.exec("true", quick))).code).toBe("ssh.closed");
  expect((await failure(pool.acquire(target, soon))).code).toBe("ssh.closed");
});
