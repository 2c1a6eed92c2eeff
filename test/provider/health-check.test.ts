import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Properties } from "../../src/provider/rpc/values.ts";
import { Engine } from "../support/engine.ts";
import { startMachine } from "../support/machines.ts";

/** What the endpoint answers now. */
let answer = { status: 200, body: '{"response":"ready"}' };
let asked: string[] = [];
const endpoint = createServer((request, response) => {
  asked.push(`${request.method} ${request.url} ${request.headers.authorization ?? "nobody"}`);
  response.writeHead(answer.status).end(answer.body);
});
let url: string;
let engine: Engine;
beforeAll(async () => {
  endpoint.listen(0, "127.0.0.1");
  await once(endpoint, "listening");
  url = `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}/chat`;
  engine = await Engine.start();
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  endpoint.close();
});

const question = (more: Properties = {}): Properties => ({
  url,
  json: { message: "hi" },
  secretHeaders: { authorization: "Bearer s3cret" },
  expect: { jsonText: "response" },
  timeoutSeconds: 1,
  ...more,
});

describe("a health check", () => {
  test("keeps the right answer, asks again when a trigger changes, and at a refresh", async () => {
    answer = { status: 200, body: '{"response":"ready"}' };
    asked = [];
    const inputs = (await engine.check("HealthCheck", question({ triggers: ["r1"] }))).values;
    const check = await engine.create("HealthCheck", inputs, { secrets: ["secretHeaders"] });
    expect(check.values).toMatchObject({ status: 200, answer: "ready", healthy: true });
    expect(check.secrets).toEqual(new Set(["secretHeaders"]));
    expect(asked).toEqual(["POST /chat Bearer s3cret"]);

    expect(await engine.diff("HealthCheck", check.id, check.values, inputs, inputs)).toEqual([]);
    const slower = { ...inputs, timeoutSeconds: 9 };
    expect(await engine.diff("HealthCheck", check.id, check.values, inputs, slower)).toEqual([]);
    const triggered = { ...inputs, triggers: ["r2"] };
    expect(await engine.diff("HealthCheck", check.id, check.values, inputs, triggered)).toEqual([
      "triggers: update",
    ]);

    answer = { status: 503, body: "asleep" };
    const seen = await engine.read("HealthCheck", check.id, check.values, inputs);
    expect(seen?.values).toMatchObject({ healthy: false, answer: "ready" });
    expect(engine.lines.at(-1)).toBe("healthcheck: no right answer now: HTTP 503: asleep");
    expect(await engine.diff("HealthCheck", check.id, seen?.values ?? {}, inputs, inputs)).toEqual([
      "status: update",
    ]);

    answer = { status: 200, body: '{"response":"awake"}' };
    const mended = await engine.update("HealthCheck", check.id, seen?.values ?? {}, inputs);
    expect(mended.values).toMatchObject({ healthy: true, answer: "awake" });
  });

  test("that is never answered right fails with what was seen, and no secret", async () => {
    answer = { status: 401, body: '{"error":"who are you"}' };
    const failed: Error = await engine.create("HealthCheck", question()).then(
      () => expect.unreachable(),
      (error) => error,
    );
    expect(failed.message).toMatch(
      /^health\.no-answer: POST http:\/\/127\.0\.0\.1:\d+\/chat: not ready after \d s \(limit 1 s\)\n {2}seen: HTTP 401: \{"error":"who are you"\}\n {2}hint: /,
    );
    expect(failed.message).not.toContain("s3cret");
  });

  test("from inside goes through the server's SSH connection", async () => {
    answer = { status: 200, body: '{"response":"inside"}' };
    await using machine = await startMachine();
    const { address, port, user, privateKey } = machine;
    const first = await engine.create("Server", { address, port, user, sshKey: { privateKey } });
    const check = await engine.create("HealthCheck", question({ connection: first.values.connection }), {
      secrets: ["connection"],
    });
    expect(check.values).toMatchObject({ answer: "inside" });
    await engine.delete("Server", first.id, first.values);
  });
});
