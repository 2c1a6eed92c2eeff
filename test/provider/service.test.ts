import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { startGemini } from "../../src/emulator/gemini.ts";
import type { Properties } from "../../src/provider/rpc/values.ts";
import { bundleProxy } from "../../tools/bundle.ts";
import { CallFailed, Engine } from "../support/engine.ts";
import { needs } from "../support/needs.ts";
import { freePort, type Sshd, startSshd } from "../support/sshd.ts";

/** A real OpenSSH host whose login user has a home of the test's own, and the plugin's real process. */
describe.skipIf(needs("sshd"))("a service on a host", () => {
  const home = mkdtempSync(join(tmpdir(), "clore-service-"));
  let sshd: Sshd;
  let engine: Engine;
  let connection: Properties;
  beforeAll(async () => {
    sshd = await startSshd({
      config: [
        `ForceCommand export HOME=${home}; cd ${home} && exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"`,
        "MaxStartups 100",
      ],
    });
    connection = { ...sshd.target, hostKey: sshd.hostKey };
    engine = await Engine.start();
  });
  afterEach(() => expect(readdirSync(home, { recursive: true })).toEqual([]));
  afterAll(async () => {
    await engine[Symbol.asyncDispose]();
    await sshd[Symbol.asyncDispose]();
    rmSync(home, { recursive: true, force: true });
  });

  /** An HTTP server that answers its version and one variable. */
  const web = (port: number, version: string, more: Properties = {}): Properties => ({
    name: "web",
    connection,
    process: { command: [process.execPath, "web.cjs"] },
    files: [
      {
        path: "web.cjs",
        content: `require("node:http").createServer((q, r) => r.end("${version} " + process.env.COLOUR)).listen(${port}, "127.0.0.1");`,
      },
    ],
    env: { COLOUR: "red" },
    secretEnv: { TOKEN: "s3cret" },
    ports: [port],
    health: { http: { port, path: "/" }, timeoutSeconds: 10 },
    ...more,
  });
  const secrets = ["connection", "secretEnv"];
  const ask = async (port: number) => (await fetch(`http://127.0.0.1:${port}/`)).text();
  const checked = async (inputs: Properties) => (await engine.check("Service", inputs)).values;
  const failureOf = async (call: Promise<unknown>): Promise<CallFailed> => {
    const error = await call.then(
      () => new Error("the call did not fail"),
      (reason: unknown) => reason,
    );
    if (!(error instanceof CallFailed)) throw error;
    return error;
  };

  test("is made, seen, changed in place and removed without trace", async () => {
    const port = await freePort();
    const inputs = await checked(web(port, "one"));
    const service = await engine.create("Service", inputs, { secrets });
    expect(service).toMatchObject({ id: "web", values: { runsAs: "native", status: "running" } });
    expect(service.secrets).toEqual(new Set(secrets));
    expect(await ask(port)).toBe("one red");

    const seen = await engine.read("Service", "web", service.values, inputs);
    expect(seen?.values).toEqual(service.values);
    expect(await engine.diff("Service", "web", service.values, inputs, inputs)).toEqual([]);

    const blue = await checked(web(port, "one", { env: { COLOUR: "blue" } }));
    expect(await engine.diff("Service", "web", service.values, inputs, blue)).toEqual(["env: update"]);
    const changed = await engine.update("Service", "web", service.values, blue, { secrets });
    expect(changed.values.revision).not.toBe(service.values.revision);
    expect(await ask(port)).toBe("one blue");

    const again = await engine.update("Service", "web", changed.values, blue, { secrets });
    expect(again.values).toEqual(changed.values);

    await engine.delete("Service", "web", changed.values);
    await engine.delete("Service", "web", changed.values);
    await expect(ask(port)).rejects.toThrow();
    expect(await engine.read("Service", "web", changed.values, blue)).toBeUndefined();
    expect(engine.lines.join("\n")).not.toContain("s3cret");
  });

  test("goes on answering when its new version fails the check", async () => {
    const port = await freePort();
    const inputs = await checked(web(port, "old"));
    const service = await engine.create("Service", inputs);
    const mute = await checked(
      web(port, "new", {
        process: { command: ["sleep", "1000"] },
        health: { http: { port, path: "/" }, timeoutSeconds: 1 },
      }),
    );
    const failed = await failureOf(engine.update("Service", "web", service.values, mute));
    expect(failed.message).toMatch(
      /^host\.service-unhealthy: service web was not healthy within 1 s; the version before it runs again/,
    );
    expect(await ask(port)).toBe("old red");
    await engine.delete("Service", "web", service.values);
  });

  describe("that cannot run says why, and leaves nothing", () => {
    test("crashes at its start: its last log lines, control characters shown", async () => {
      const inputs = await checked({
        name: "web",
        connection,
        process: { command: ["sh", "-c", "echo starting; printf 'no \\033[31mlicence\\n' >&2; exit 3"] },
      });
      const failed = await failureOf(engine.create("Service", inputs));
      expect(failed.message).toMatch(
        /^host\.service-crashed: service web ended at its start with exit code 3\n {2}seen: starting\nno \\x1b\[31mlicence/,
      );
      expect(failed.partial).toBeUndefined();
    });

    test("its port is taken: by whom", async () => {
      const taken = createServer().listen(0, "127.0.0.1");
      await new Promise((resolve) => taken.once("listening", resolve));
      const { port } = taken.address() as { port: number };
      const failed = await failureOf(engine.create("Service", await checked(web(port, "x"))));
      expect(failed.message).toMatch(
        new RegExp(
          `^host\\.port-taken: service web: port ${port} is taken on the host\\n {2}seen: by process \\d+ `,
        ),
      );
      taken.close();
    });

    test("a wrong key for the Gemini API: what /readyz says", async () => {
      await using gemini = await startGemini();
      const { path } = await bundleProxy();
      const port = await freePort();
      const proxy = await checked({
        name: "gemini-proxy",
        connection,
        process: { command: [process.execPath, "proxy.mjs"] },
        files: [{ path: "proxy.mjs", source: path }],
        env: { PORT: String(port), UPSTREAM: "google", UPSTREAM_BASE_URL: gemini.url },
        secretEnv: { GOOGLE_API_KEY: "wrong-key", PROXY_API_KEYS: "sk-clore-0123456789" },
        ports: [port],
        health: { http: { port, path: "/readyz" }, timeoutSeconds: 4 },
      });
      const failed = await failureOf(engine.create("Service", proxy, { secrets }));
      expect(failed.message).toMatch(
        /^host\.service-unhealthy: [\s\S]*HTTP 503: .*the Gemini API refused the key in GOOGLE_API_KEY/,
      );
      expect(failed.message).not.toContain("wrong-key");
    });

    test("another host key than was pinned: no login, and nothing is sent", async () => {
      const other = await startSshd();
      const inputs = await checked(
        web(await freePort(), "x", { connection: { ...connection, hostKey: other.hostKey } }),
      );
      await other[Symbol.asyncDispose]();
      const failed = await failureOf(engine.create("Service", inputs));
      expect(failed.message).toMatch(/^ssh\.host-key-changed: /);
      expect(failed.message).toMatch(/hint: /);
      expect(existsSync(join(home, ".pulumi-clore"))).toBe(false);
    });
  });
});
