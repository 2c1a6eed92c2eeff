import { describe, expect, test } from "vitest";
import { CloreError, describeError } from "../../src/core/errors.ts";
import { Capture } from "../../src/ssh/capture.ts";
import { connect } from "../../src/ssh/connect.ts";
import type { SshConnection } from "../../src/ssh/types.ts";
import { faultyServer } from "../ssh/faults.ts";
import { newKeyPair } from "../support/machines.ts";
import {
  answering,
  escapes,
  forever,
  hostileHost,
  type Mischief,
  peakMb,
  unprintable,
} from "./hostile-host.ts";

const mebibyte = Buffer.alloc(1024 * 1024, "x");

/** The error of a call on a hostile host, typed and safe for a terminal; the call must end. */
async function errorOf(
  mischief: Mischief,
  call: (ssh: SshConnection) => Promise<unknown>,
): Promise<CloreError> {
  await using host = await hostileHost(mischief);
  await using ssh = await connect(host.target, { timeoutMs: 10_000 });
  return await caught(call(ssh)); // before the connection is closed here
}

async function caught(call: Promise<unknown>): Promise<CloreError> {
  const error = await call.then(
    (value) => expect.fail(`it went well: ${JSON.stringify(value)?.slice(0, 200)}`),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(CloreError);
  const text = describeError(error);
  expect(text).not.toMatch(unprintable);
  expect(text.length).toBeLessThan(4000);
  return error as CloreError;
}

describe("a command on a hostile host", () => {
  test("that writes without end is left, with little memory", async () => {
    let error: CloreError | undefined;
    const mb = await peakMb(async () => {
      error = await errorOf({ exec: (channel) => forever(channel, mebibyte) }, (ssh) =>
        ssh.exec("true", { timeoutMs: 20_000 }),
      );
    });
    expect(error?.code).toBe("ssh.too-much-output");
    expect(mb).toBeLessThan(100);
  });

  test("that writes in single bytes costs no more memory than what is kept", async () => {
    // Each byte comes in a packet and so in an object of its own: two million of them took 300 MB once.
    const capture = new Capture("stdout", 4 * 1024 * 1024);
    const mb = await peakMb(async () => {
      for (let i = 0; i < 1_000_000; i++) capture.add(Buffer.from(i % 1000 === 0 ? "\n" : "x"));
    });
    expect(mb).toBeLessThan(60);
    expect(capture.text()).toBe(`\n${"x".repeat(999)}`.repeat(1000));
  });

  test.each<{ name: string; mischief: Mischief; code: string }>([
    { name: "that never ends", mischief: { exec: () => {} }, code: "ssh.command-timed-out" },
    { name: "that is never started", mischief: {}, code: "ssh.command-timed-out" },
    {
      name: "that ends without an exit code",
      mischief: { exec: (channel) => channel.end() },
      code: "ssh.lost",
    },
    {
      name: "that writes escape sequences and never ends",
      mischief: { exec: (channel) => channel.stderr.write(escapes) },
      code: "ssh.command-timed-out",
    },
  ])("$name is given up: $code", async ({ mischief, code }) => {
    const error = await errorOf(mischief, (ssh) => ssh.exec("true", { timeoutMs: 300 }));
    expect(error.code).toBe(code);
  });

  test.each([0, 255, 256, 65_536, 4_294_967_295])("ends with exit code %d as it says", async (exitCode) => {
    await using host = await hostileHost({
      exec: (channel, command) => answering(channel, command, "", exitCode),
    });
    await using ssh = await connect(host.target, { timeoutMs: 10_000 });
    expect((await ssh.exec("true", { timeoutMs: 5000 })).exitCode).toBe(exitCode);
  });
});

describe("files for a hostile host", () => {
  test.each(["", "rubbish\n".repeat(1000), "0 0 0 0 0\n", `${escapes}\n`])(
    "are written or a typed error: %j",
    async (answer) => {
      await using host = await hostileHost({
        exec: (channel, command) => answering(channel, command, answer),
      });
      await using ssh = await connect(host.target, { timeoutMs: 10_000 });
      const files = [{ path: "a", content: "A", mode: 0o600 }];
      expect(await ssh.writeFiles(files)).toEqual(["a"]); // what it says is no proof that it is there: written again
    },
  );

  test("that it refuses are an error with its words, safe for a terminal", async () => {
    const exec: Mischief["exec"] = (channel, command) => {
      channel.stderr.write(escapes.repeat(10_000));
      answering(channel, command, "", 1);
    };
    const error = await errorOf({ exec }, (ssh) =>
      ssh.writeFiles([{ path: "a", content: "A", mode: 0o600 }]),
    );
    expect(error.code).toBe("ssh.write-failed");
  });
});

describe("a connection to a hostile host", () => {
  test.each([
    { name: "lines", piece: `${"x".repeat(1000)}\r\n` },
    { name: "one line", piece: mebibyte },
    { name: "escape sequences", piece: escapes },
    { name: "a version line that does not end", piece: "SSH-2.0-" },
  ])("that greets with $name without end is refused, with little memory", async ({ piece }) => {
    await using server = await faultyServer((socket) => forever(socket, piece));
    const { privateKey } = newKeyPair();
    const target = { address: "127.0.0.1", port: server.port, user: "root", privateKey, hostKey: undefined };
    const mb = await peakMb(async () => {
      const error = await caught(connect(target, { timeoutMs: 1500 }));
      expect(error.code).toMatch(/^ssh\./);
    });
    expect(mb).toBeLessThan(100);
  });

  test("that calls itself by escape sequences keeps them to itself", async () => {
    const error = await errorOf(
      { ident: "\u001b]0;owned\u0007", exec: (channel) => channel.close() },
      (ssh) => ssh.exec("true", { timeoutMs: 1000 }),
    );
    expect(error.code).toMatch(/^ssh\./);
  });

  test("whose key changes on the way gets no further command", async () => {
    await using host = await hostileHost({ exec: (channel, command) => answering(channel, command, "") });
    await using ssh = await connect(host.target, { timeoutMs: 10_000 });
    await ssh.exec("first", { timeoutMs: 5000 });
    const { length: before } = host.commands;
    host.changeKey();
    const error = await caught(
      (async () => {
        // The loss may show in the call that is under way; what follows meets the other key.
        await ssh.exec("second", { timeoutMs: 5000 }).catch((reason: CloreError) => {
          if (reason.code !== "ssh.lost") throw reason;
        });
        await ssh.exec("third", { timeoutMs: 5000 });
      })(),
    );
    expect(error.code).toBe("ssh.host-key-changed");
    expect(host.commands).toHaveLength(before);
  });
});
