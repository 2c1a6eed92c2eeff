import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CloreError } from "../../src/core/errors.ts";
import { connect, connectWithin } from "../../src/ssh/connect.ts";
import { fingerprintOf, generateKeyPair } from "../../src/ssh/keypair.ts";
import { freePort, type Sshd, startSshd } from "../support/sshd.ts";
import { failure, faultyServer } from "./faults.ts";

const stranger = { user: "nobody", privateKey: generateKeyPair().privateKey, hostKey: undefined };

let sshd: Sshd;
beforeAll(async () => {
  sshd = await startSshd({ hostKeys: ["ed25519", "rsa", "ecdsa"] });
});
afterAll(() => sshd?.[Symbol.asyncDispose]());

describe("one attempt", () => {
  test("pins the ed25519 key at first contact, and comes back with it", async () => {
    await using first = await connect(sshd.target, { timeoutMs: 5_000 });
    expect(first.hostKey).toBe(sshd.hostKey);
    expect(first.hostKey).toMatch(/^ssh-ed25519 AAAA/);
    await using again = await connect(
      { ...sshd.target, hostKey: `${first.hostKey} comment` },
      { timeoutMs: 5_000 },
    );
    expect(again.hostKey).toBe(first.hostKey);
  });

  test.each(["rsa", "ecdsa"] as const)("asks for the key of the pinned type: %s", async (type) => {
    const hostKey = sshd.hostKeyOf(type);
    await using ssh = await connect({ ...sshd.target, hostKey }, { timeoutMs: 5_000 });
    expect(ssh.hostKey).toBe(hostKey);
  });

  test("refuses a changed host key and shows both fingerprints", async () => {
    const pinned = generateKeyPair().publicKey;
    const error = await failure(connect({ ...sshd.target, hostKey: pinned }, { timeoutMs: 5_000 }));
    expect(error.code).toBe("ssh.host-key-changed");
    expect(error.message).toContain(fingerprintOf(pinned));
    expect(error.message).toContain(fingerprintOf(sshd.hostKey));
    expect(error.hint).toMatch(/accept the new key by removing/);
    expect(error.retry).toBe("no");
  });

  test("refuses a host that has no key of the pinned type any more", async () => {
    await using only = await startSshd({ hostKeys: ["ecdsa"] });
    const pinned = generateKeyPair().publicKey;
    const error = await failure(connect({ ...only.target, hostKey: pinned }, { timeoutMs: 5_000 }));
    expect(error.code).toBe("ssh.host-key-changed");
    expect(error.message).toMatch(/offers no ssh-ed25519 key any more/);
  });

  test("says when our key is not accepted, without showing it", async () => {
    const target = { ...sshd.target, privateKey: stranger.privateKey };
    const error = await failure(connect(target, { timeoutMs: 5_000 }));
    expect(error.code).toBe("ssh.auth-failed");
    expect(JSON.stringify([error.message, error.seen, error.hint])).not.toContain(
      stranger.privateKey.split("\n")[1],
    );
  });

  test("refuses a host that knows only broken algorithms", async () => {
    await using old = await startSshd({ config: ["KexAlgorithms diffie-hellman-group14-sha1"] });
    expect((await failure(connect(old.target, { timeoutMs: 5_000 }))).code).toBe("ssh.protocol");
  });

  test("says when nothing listens", async () => {
    const target = { ...stranger, address: "127.0.0.1", port: await freePort() };
    const error = await failure(connect(target, { timeoutMs: 5_000 }));
    expect(error).toMatchObject({ code: "ssh.refused", retry: "later" });
  });

  test("says when the name is unknown", async () => {
    const target = { ...stranger, address: "no-such-host.invalid", port: 22 };
    expect((await failure(connect(target, { timeoutMs: 10_000 }))).code).toBe("ssh.unreachable");
  });

  test.each<{ name: string; treat: Parameters<typeof faultyServer>[0]; code: string; says: RegExp }>([
    { name: "reset after accept", treat: (s) => s.resetAndDestroy(), code: "ssh.reset", says: /greeting/ },
    { name: "closed after accept", treat: (s) => s.end(), code: "ssh.reset", says: /greeting/ },
    {
      name: "closed after the greeting",
      treat: (s) => s.end("SSH-2.0-OpenSSH_9.2\r\n"),
      code: "ssh.reset",
      says: /key exchange/,
    },
    {
      name: "too many connections",
      treat: (s) => s.end("Exceeded MaxStartups\r\n"),
      code: "ssh.reset",
      says: /greeting/,
    },
    {
      name: "an old SSH",
      treat: (s) => s.end("SSH-1.5-x\r\n\r\n"),
      code: "ssh.protocol",
      says: /no SSH connection can be agreed/,
    },
    { name: "never a greeting", treat: () => {}, code: "ssh.timed-out", says: /within 0.3 s.*greeting/ },
    {
      name: "a greeting letter by letter",
      treat: (s) => {
        const timer = setInterval(() => s.write("S"), 50);
        s.once("close", () => clearInterval(timer));
      },
      code: "ssh.timed-out",
      says: /within 0.3 s/,
    },
    {
      name: "silence after the greeting",
      treat: (s) => s.write("SSH-2.0-OpenSSH_9.2\r\n"),
      code: "ssh.timed-out",
      says: /key exchange/,
    },
    {
      name: "a web server",
      treat: (s) => s.once("data", () => s.end("HTTP/1.1 400 Bad Request\r\n\r\n")),
      code: "ssh.protocol",
      says: /no SSH connection can be agreed/,
    },
  ])("tells apart: $name", async ({ treat, code, says }) => {
    await using server = await faultyServer(treat);
    const target = { ...stranger, address: "127.0.0.1", port: server.port };
    const error = await failure(connect(target, { timeoutMs: 300 }));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(says);
    expect(error).toBeInstanceOf(CloreError);
  });

  test("stops dialling when told to", async () => {
    await using server = await faultyServer(() => {});
    const stop = new AbortController();
    const dialling = connect(
      { ...stranger, address: "127.0.0.1", port: server.port },
      { timeoutMs: 5_000, signal: stop.signal },
    );
    setTimeout(() => stop.abort(new Error("enough")), 50);
    expect((await failure(dialling)).message).toBe("enough");
  });
});

/** Time that passes only in sleeps. */
function jumpingClock() {
  let now = 0;
  return {
    now: () => now,
    async sleep(ms: number, signal?: AbortSignal) {
      signal?.throwIfAborted();
      now += ms;
    },
  };
}

describe("within a deadline", () => {
  test("waits for a host that comes up: refused, then reset, then there", async () => {
    await using late = await startSshd();
    const codes: string[] = [];
    await late.kill();
    await using ssh = await connectWithin(late.target, {
      deadlineMs: 60_000,
      clock: {
        now: () => 0,
        sleep: async () => {
          if (codes.length === 3) await late.restart();
        },
      },
      onAttempt: (error) => codes.push(error.code),
    });
    expect(codes).toEqual(["ssh.refused", "ssh.refused", "ssh.refused"]);
    expect((await ssh.exec("echo up", { timeoutMs: 5_000 })).stdout).toBe("up\n");
  });

  test("says at the end what was seen how often", async () => {
    await using server = await faultyServer((s, nth) =>
      nth % 2 ? s.resetAndDestroy() : s.end("SSH-1.5-x\r\n\r\n"),
    );
    const error = await failure(
      connectWithin(
        { ...stranger, address: "127.0.0.1", port: server.port },
        { deadlineMs: 8_000, clock: jumpingClock() },
      ),
    );
    // Pauses of 0.5, 0.75, 1.1, 1.7 and 2.5 s: the sixth attempt is the last one before 8 s.
    expect(error.message).toMatch(
      /no login after 7 s and 6 attempts \(reset 3 times, no SSH spoken 3 times\); at last: /,
    );
    expect(error.code).toBe("ssh.protocol");
    expect(error.cause).toBeInstanceOf(CloreError);
  });

  test("gives a key that is not accepted a minute of grace, no more", async () => {
    const clock = jumpingClock();
    const target = { ...sshd.target, privateKey: stranger.privateKey };
    const error = await failure(connectWithin(target, { deadlineMs: 600_000, clock }));
    expect(error.code).toBe("ssh.auth-failed");
    expect(clock.now()).toBeGreaterThanOrEqual(60_000);
    expect(clock.now()).toBeLessThan(66_000);
  });

  test("tries a changed host key once only", async () => {
    const attempts: string[] = [];
    const target = { ...sshd.target, hostKey: generateKeyPair().publicKey };
    const options = {
      deadlineMs: 60_000,
      clock: jumpingClock(),
      onAttempt: (e: CloreError) => attempts.push(e.code),
    };
    expect((await failure(connectWithin(target, options))).code).toBe("ssh.host-key-changed");
    expect(attempts).toEqual([]);
  });

  test("an unreadable private key is an input error, at once", async () => {
    const target = { ...sshd.target, privateKey: "rubbish" };
    expect((await failure(connectWithin(target, { deadlineMs: 60_000 }))).code).toBe("input.invalid");
  });
});
