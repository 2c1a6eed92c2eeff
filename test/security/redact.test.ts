import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "vitest";
import { withoutSecrets } from "../../src/provider/redact.ts";
import type { Properties } from "../../src/provider/rpc/values.ts";
import { connect } from "../../src/ssh/connect.ts";
import { CallFailed, Engine } from "../support/engine.ts";
import { startMachine, type TestMachine } from "../support/machines.ts";
import { freePort } from "../support/sshd.ts";

test.each([
  {
    name: "an environment value",
    text: "KEY=sk-12345678 is bad",
    inputs: { secretEnv: { KEY: "sk-12345678" } },
    shown: "KEY=[secret] is bad",
  },
  {
    name: "a bearer key without its scheme",
    text: "who is abcdefgh?",
    inputs: { secretHeaders: { authorization: "Bearer abcdefgh" } },
    shown: "who is [secret]?",
  },
  {
    name: "a line of a longer secret",
    text: "at: second-line",
    inputs: { secretEnv: { PEM: "first-line\nsecond-line" } },
    shown: "at: [secret]",
  },
  {
    name: "the longer of two that begin alike",
    text: "abcdef-long",
    inputs: { secretEnv: { A: "abcdef", B: "abcdef-long" } },
    shown: "[secret]",
  },
  {
    name: "a private key in a connection",
    text: "key KEYKEYKEY",
    inputs: { connection: { privateKey: "KEYKEYKEY" } },
    shown: "key [secret]",
  },
  {
    name: "no address of a connection",
    text: "root@192.0.2.7",
    inputs: { connection: { address: "192.0.2.7" } },
    shown: "root@192.0.2.7",
  },
  {
    name: "no open environment",
    text: "level verbose",
    inputs: { env: { LEVEL: "verbose" } },
    shown: "level verbose",
  },
  {
    name: "no word that is too short to be a secret",
    text: "on and on",
    inputs: { secretEnv: { FLAG: "on" } },
    shown: "on and on",
  },
])("hides $name", ({ text, inputs, shown }) => {
  expect(withoutSecrets(text, inputs)).toBe(shown);
});

describe("what a host says of the secrets that it was given", () => {
  const secret = "s3cret-0123456789";

  test("is hidden in the error of a service that never becomes healthy", { timeout: 60_000 }, async () => {
    await using machine = await startMachine();
    await using engine = await Engine.start();
    const connection = await connectionTo(machine);
    const service = {
      name: "chatty",
      connection,
      process: { command: ["sh", "-c", 'echo "I was told $KEY"; sleep 60'] },
      secretEnv: { KEY: secret },
      health: { http: { port: await freePort(), path: "/" }, timeoutSeconds: 1 },
    };
    const failed = await failureOf(engine, "Service", service, ["secretEnv", "connection"]);
    expect(failed).toContain("host.service-unhealthy");
    expect(failed).toContain("I was told [secret]");
    expect([failed, ...engine.lines].join("\n")).not.toContain(secret);
  });

  test("is hidden in what an endpoint echoes, right or wrong", { timeout: 60_000 }, async () => {
    await using echo = await echoing();
    await using engine = await Engine.start();
    const secretInputs = ["secretHeaders"];
    const question = {
      url: echo.url,
      secretHeaders: { authorization: `Bearer ${secret}` },
      timeoutSeconds: 1,
    };
    const right = await engine.create("HealthCheck", question, { secrets: secretInputs });
    expect(right.values.answer).toBe("you are [secret]");
    const wrong = await failureOf(
      engine,
      "HealthCheck",
      { ...question, expect: { status: 201 } },
      secretInputs,
    );
    expect(wrong).toContain("you are [secret]");
    expect([wrong, ...engine.lines].join("\n")).not.toContain(secret);
  });
});

async function failureOf(
  engine: Engine,
  type: string,
  inputs: Properties,
  secrets: string[],
): Promise<string> {
  const { values, failures } = await engine.check(type, inputs, { secrets });
  expect(failures).toEqual([]);
  const failed = await engine.create(type, values, { secrets }).catch((error: unknown) => error);
  expect(failed).toBeInstanceOf(CallFailed);
  return String(failed);
}

async function connectionTo({ address, port, user, privateKey }: TestMachine) {
  await using ssh = await connect(
    { address, port, user, privateKey, hostKey: undefined },
    { timeoutMs: 10_000 },
  );
  return { address, port, user, privateKey, hostKey: ssh.hostKey };
}

/** Tells everybody what it was told in the header that is for nobody else. */
async function echoing(): Promise<AsyncDisposable & { url: string }> {
  const server = createServer((request, response) =>
    response.end(`you are ${request.headers.authorization}`),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
