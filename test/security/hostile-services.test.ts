import type { ServerChannel } from "ssh2";
import { describe, expect, test } from "vitest";
import { CloreError, describeError } from "../../src/core/errors.ts";
import { dockerOver } from "../../src/host/docker/client.ts";
import { inspect } from "../../src/host/docker/observe.ts";
import { httpOnHost } from "../../src/host/http.ts";
import { OllamaClient } from "../../src/host/ollama/client.ts";
import { connect } from "../../src/ssh/connect.ts";
import type { SshConnection } from "../../src/ssh/types.ts";
import { escapes, forever, hostileHost, peakMb, unprintable } from "./hostile-host.ts";

type Dial = (channel: ServerChannel) => void;
interface Mischievous {
  name: string;
  dial: Dial | undefined;
  isCut?: true;
}

const mebibyte = Buffer.alloc(1024 * 1024, "x");
const head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";

/** What listens on a hostile host, behind whatever port or socket is asked for. */
const silent: readonly Mischievous[] = [
  { name: "is never connected", dial: undefined },
  { name: "says nothing", dial: () => {} },
];
const loud: readonly Mischievous[] = [
  { name: "answers without end", dial: (channel) => forever(channel, mebibyte, `${head}\r\n`), isCut: true },
  {
    name: "sends headers without end",
    dial: (channel) => forever(channel, `x: ${"y".repeat(1000)}\r\n`, head),
  },
  { name: "stops in the middle", dial: (channel) => channel.end(`${head}content-length: 1000\r\n\r\n{`) },
  { name: "speaks no HTTP", dial: (channel) => channel.end(`${escapes}\r\n\r\n`) },
  { name: "hangs up at once", dial: (channel) => channel.close() },
  { name: "answers JSON a million deep", dial: answering(`${"[".repeat(500_000)}${"]".repeat(500_000)}`) },
  { name: "answers null", dial: answering("null") },
  {
    name: "answers prototype keys",
    dial: answering('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}'),
  },
];

function answering(body: string): Dial {
  return (channel) => {
    channel.on("error", () => {});
    channel.end(`${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  };
}

/** Waits until the client has spoken: a server that speaks first is no HTTP at all. */
const afterRequest =
  (dial: Dial): Dial =>
  (channel) =>
    void channel.once("data", () => dial(channel));

/** How a call on such a host ends: with a typed error that is safe to show, or an answer; in time and in little memory. */
async function endOf<T>(
  dial: Dial | undefined,
  call: (ssh: SshConnection) => Promise<T>,
): Promise<T | CloreError> {
  await using host = await hostileHost({ dial: dial && afterRequest(dial) });
  await using ssh = await connect(host.target, { timeoutMs: 10_000 });
  let end: T | CloreError | undefined;
  const mb = await peakMb(async () => {
    end = await call(ssh).catch((error: unknown) => {
      expect(error).toBeInstanceOf(CloreError);
      const text = describeError(error);
      expect(text).not.toMatch(unprintable);
      expect(text.length).toBeLessThan(6000);
      return error as CloreError;
    });
  });
  expect(mb).toBeLessThan(150);
  expect(({} as { polluted?: number }).polluted).toBeUndefined();
  return end as T | CloreError;
}

describe.each([...silent, ...loud])("a service that $name", ({ dial, isCut }) => {
  test("asked over HTTP is an error or a bounded answer", async () => {
    const end = await endOf(dial, (ssh) => httpOnHost(ssh, { port: 80, path: "/", timeoutMs: 700 }));
    if (end instanceof CloreError) expect(end.code).toBe("host.http-failed");
    else expect(end.body.length).toBeLessThanOrEqual(1024 * 1024);
    if (!(end instanceof CloreError)) expect(end.cut).toBe(isCut === true);
  });

  test("in the place of a Docker daemon is an error", async () => {
    const facts = { docker: { cli: true, socket: "/var/run/docker.sock", works: true, version: "24.0.0" } };
    const limits = { answerBytes: 4 * 1024 * 1024, silenceMs: 500, dialMs: 500 };
    const end = await endOf(dial, async (ssh) => {
      using host = dockerOver(ssh, facts, limits);
      return await inspect(host.docker, "app");
    });
    expect(end).toMatchObject({ code: "host.docker-failed" });
  });
});

test.each(loud)("a service in the place of Ollama that $name is an error", async ({ dial }) => {
  const asked = await endOf(dial, (ssh) => new OllamaClient(ssh).version());
  expect((asked as CloreError).code).toMatch(/^ollama\.(not-answering|bad-answer)$/);
});
