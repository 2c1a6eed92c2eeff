import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { Secret } from "../../src/core/secret.ts";
import { removeAll } from "../../src/host/layout.ts";
import {
  applyService,
  observeService,
  observeServices,
  planService,
  removeService,
  type ServiceSpec,
  serviceLogs,
  stopService,
} from "../../src/host/service.ts";
import type { SshConnection } from "../../src/ssh/types.ts";
import { freePort } from "../support/sshd.ts";
import { countingExecs, isAlive, startHost, type TestHost } from "./support.ts";

let host: TestHost;
beforeAll(async () => {
  host = await startHost();
});
afterAll(async () => {
  await host[Symbol.asyncDispose]();
});

/** What a handler does. */
async function ensure(ssh: SshConnection, spec: ServiceSpec) {
  return applyService(ssh, planService(spec, await observeService(ssh, spec.name), "own"));
}

/** A tiny HTTP server that says its version. */
function web(port: number, version: string, more: Partial<ServiceSpec> = {}): ServiceSpec {
  const program = `
    const http = require("node:http");
    console.log("version ${version} of", process.pid, process.env.GREETING, process.env.TOKEN?.length);
    http.createServer((q, r) => { r.end(q.url === "/healthz" ? "${version}" : process.env.TOKEN) }).listen(${port}, "127.0.0.1");
  `;
  return {
    name: "web",
    command: [process.execPath, "server.cjs"],
    files: [{ path: "server.cjs", content: program, mode: 0o600 }],
    env: { GREETING: "it's fine" },
    secretEnv: { TOKEN: new Secret("s3cret-'$x") },
    stopTimeoutSeconds: 2,
    health: { http: { port, path: "/healthz" }, timeoutSeconds: 10 },
    ...more,
  };
}

async function ask(port: number, path = "/healthz"): Promise<string> {
  return (await fetch(`http://127.0.0.1:${port}${path}`)).text();
}

async function eventually<T>(read: () => Promise<T>, good: (value: T) => boolean): Promise<T> {
  for (let tries = 0; ; tries++) {
    const value = await read();
    if (good(value) || tries > 100) return value;
    await delay(50);
  }
}

describe("a service under our own supervisor", () => {
  test("starts, answers, and a second run does nothing, in one round trip", async () => {
    const port = await freePort();
    const first = countingExecs(host.ssh);
    const made = await ensure(first.ssh, web(port, "one"));
    expect(first.count()).toBe(3); // observe, write, apply
    expect(made).toMatchObject({ installed: true, running: true, restarts: 0, state: "running" });
    expect(await ask(port)).toBe("one");
    expect(await ask(port, "/token")).toBe("s3cret-'$x");

    const again = countingExecs(host.ssh);
    expect(await ensure(again.ssh, web(port, "one"))).toBeUndefined();
    expect(again.count()).toBe(1);
    expect((await observeService(host.ssh, "web")).pid).toBe(made!.pid);
  });

  test("keeps secrets in a 0600 file, out of arguments and logs", async () => {
    const seen = await observeService(host.ssh, "web");
    const folder = join(host.home, ".pulumi-clore/services/web/current");
    expect(statSync(join(folder, "secret.env")).mode & 0o777).toBe(0o600);
    expect(readFileSync(`/proc/${seen.pid}/cmdline`, "utf8")).not.toContain("s3cret");
    expect(await serviceLogs(host.ssh, "web", 100)).toMatch(/version one of \d+ it's fine 10/);
    expect(await serviceLogs(host.ssh, "web", 100)).not.toContain("s3cret");
  });

  test("survives the loss of the SSH session", async () => {
    const before = await observeService(host.ssh, "web");
    await host.cutLine();
    await using ssh = await host.login();
    expect((await observeService(ssh, "web")).pid).toBe(before.pid);
  });

  test("is started again after a crash, with the count of it", async () => {
    const before = await observeService(host.ssh, "web");
    process.kill(before.pid!, "SIGKILL");
    const after = await eventually(
      () => observeService(host.ssh, "web"),
      (seen) => seen.running && seen.pid !== before.pid,
    );
    expect(after).toMatchObject({ running: true, restarts: 1, lastExit: 137 });
  });

  test("replaces a changed version, keeping one release before it", async () => {
    const port = await freePort();
    for (const version of ["two", "three", "four"]) await ensure(host.ssh, web(port, version));
    expect(await ask(port)).toBe("four");
    expect(readdirSync(join(host.home, ".pulumi-clore/services/web/releases"))).toHaveLength(2);
  });

  test("a new version that crashes gives its exit code and last lines, and the old one answers", async () => {
    const port = await freePort();
    await ensure(host.ssh, web(port, "good"));
    const broken = web(port, "broken", {
      command: ["sh", "-c", "echo 'cannot \u001b[31mread config'; exit 7"],
    });
    await expect(ensure(host.ssh, broken)).rejects.toMatchObject({
      code: "host.service-crashed",
      message: "service web ended at its start with exit code 7; the version before it runs again",
      seen: "cannot \\x1b[31mread config",
    });
    expect(await ask(port)).toBe("good");
    expect(await ensure(host.ssh, web(port, "good"))).toBeUndefined();
  });

  test("a first version that crashes leaves nothing, and a mended one starts", async () => {
    const first: ServiceSpec = { name: "fresh", command: ["sh", "-c", "echo no luck; exit 3"] };
    await expect(ensure(host.ssh, first)).rejects.toMatchObject({
      code: "host.service-crashed",
      message: "service fresh ended at its start with exit code 3",
      seen: "no luck",
    });
    expect(await observeService(host.ssh, "fresh")).toMatchObject({ installed: false, state: "stopped" });
    expect(existsSync(join(host.home, ".pulumi-clore", "services", "fresh"))).toBe(false);
    const health = { command: ["true"], timeoutSeconds: 5 };
    expect(await ensure(host.ssh, { ...first, command: ["sleep", "1000"], health })).toMatchObject({
      running: true,
    });
    await removeService(host.ssh, "fresh");
  });

  test("a program that is not there says so", async () => {
    await expect(ensure(host.ssh, { name: "lost", command: ["no-such-program"] })).rejects.toMatchObject({
      code: "host.service-crashed",
      message: "service lost ended at its start with exit code 127",
      seen: expect.stringContaining("no-such-program"),
    });
    await removeService(host.ssh, "lost");
  });

  test("a new version that never gets healthy gives way to the old one", async () => {
    const port = await freePort();
    await ensure(host.ssh, web(port, "good"));
    const mute = web(port, "mute", {
      command: ["sleep", "1000"],
      health: { http: { port, path: "/healthz" }, timeoutSeconds: 1 },
    });
    await expect(ensure(host.ssh, mute)).rejects.toMatchObject({
      code: "host.service-unhealthy",
      message: "service web was not healthy within 1 s; the version before it runs again",
      seen: expect.stringContaining("last check: curl:"),
    });
    expect(await ask(port)).toBe("good");
  });

  test("a change that is cut short is checked by the next run, which goes back when it is no good", async () => {
    const port = await freePort();
    await ensure(host.ssh, web(port, "good"));
    const health = { http: { port, path: "/healthz" }, timeoutSeconds: 2 };
    const mute = web(port, "mute", { command: ["sleep", "1000"], health });
    const plan = planService(mute, await observeService(host.ssh, "web"), "own");
    const controller = new AbortController();
    const applying = applyService(host.ssh, plan, { signal: controller.signal });
    await eventually(
      () => observeService(host.ssh, "web"),
      (seen) => seen.running && seen.digest === plan.digest,
    );
    controller.abort(new Error("Ctrl-C"));
    await expect(applying).rejects.toThrow("Ctrl-C");
    const left = await observeService(host.ssh, "web");
    expect(left).toMatchObject({ running: true, provenHealthy: false, digest: plan.digest });
    expect(planService(mute, left, "own").steps).toEqual(["check"]);
    await expect(ensure(host.ssh, mute)).rejects.toMatchObject({
      code: "host.service-unhealthy",
      message: "service web was not healthy within 2 s; the version before it runs again",
    });
    expect(await ask(port)).toBe("good");
    expect(await ensure(host.ssh, web(port, "good"))).toBeUndefined();
  });

  test("a port of somebody else's is named with its owner before anything is stopped", async () => {
    const mine = await freePort();
    await ensure(host.ssh, web(mine, "kept"));
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as { port: number };
    try {
      await expect(ensure(host.ssh, web(port, "moved"))).rejects.toMatchObject({
        code: "host.port-taken",
        message: `service web: port ${port} is taken on the host`,
        seen: expect.stringMatching(new RegExp(`by process ${process.pid} \\S+`)),
      });
      expect(await ask(mine)).toBe("kept");
    } finally {
      other.close();
    }
  });

  test("stopping ends the whole process group, also what ignores TERM", async () => {
    const spec: ServiceSpec = {
      name: "stubborn",
      command: ["sh", "-c", "trap '' TERM; sleep 1000 & echo child $!; wait; wait"],
      stopTimeoutSeconds: 1,
      health: { command: ["true"], timeoutSeconds: 5 },
    };
    const seen = await ensure(host.ssh, spec);
    const log = await eventually(
      () => serviceLogs(host.ssh, "stubborn", 10),
      (text) => text.includes("child"),
    );
    const child = Number(/child (\d+)/.exec(log)![1]);
    expect([isAlive(seen!.pid!), isAlive(child)]).toEqual([true, true]);
    await stopService(host.ssh, "stubborn");
    expect([isAlive(seen!.pid!), isAlive(child)]).toEqual([false, false]);
    expect(await observeService(host.ssh, "stubborn")).toMatchObject({ installed: true, running: false });
    await removeService(host.ssh, "stubborn");
    await removeService(host.ssh, "stubborn");
    expect((await observeService(host.ssh, "stubborn")).installed).toBe(false);
  });

  test("what a killed supervisor left behind is ended before the service starts anew", async () => {
    const port = await freePort();
    const before = await ensure(host.ssh, web(port, "orphaned"));
    const pidFile = join(host.home, ".pulumi-clore/services/web/run/supervisor.pid");
    process.kill(Number(readFileSync(pidFile, "utf8")), "SIGKILL");
    expect(await observeService(host.ssh, "web")).toMatchObject({ running: false });
    const after = await ensure(host.ssh, web(port, "orphaned"));
    expect(after).toMatchObject({ running: true });
    expect(isAlive(before!.pid!)).toBe(false);
    expect(await ask(port)).toBe("orphaned");
  });

  test("restart policy 'no': a job that ended with 0 is finished, not started again", async () => {
    const job: ServiceSpec = { name: "job", command: ["echo", "done"], restart: "no" };
    expect(await ensure(host.ssh, job)).toMatchObject({ running: false, state: "exited", lastExit: 0 });
    expect(await ensure(host.ssh, job)).toBeUndefined();
  });

  test("the folder is the login user's alone", () => {
    expect(statSync(join(host.home, ".pulumi-clore")).mode & 0o777).toBe(0o700);
  });

  test("the last lines of a log are found also after it was rotated", async () => {
    const folder = join(host.home, ".pulumi-clore/services/job");
    writeFileSync(join(folder, "log.1"), "one\ntwo\n");
    writeFileSync(join(folder, "log"), "three\n");
    expect(await serviceLogs(host.ssh, "job", 2)).toBe("two\nthree\n");
  });

  test("several services are seen in one round trip", async () => {
    const counted = countingExecs(host.ssh);
    const seen = await observeServices(counted.ssh, ["web", "job", "nothing"]);
    expect([...seen].map(([name, { state }]) => [name, state])).toEqual([
      ["web", "running"],
      ["job", "exited"],
      ["nothing", "stopped"],
    ]);
    expect(counted.count()).toBe(1);
  });

  test("everything goes without trace", async () => {
    const { pid } = await observeService(host.ssh, "web");
    await removeAll(host.ssh);
    expect(readdirSync(host.home)).toEqual([]);
    expect(isAlive(pid!)).toBe(false);
    await removeAll(host.ssh);
  });
});

test("a host without curl, wget and python3 is asked through SSH", async () => {
  const bin = join(host.home, "bin");
  mkdirSync(bin);
  const tools =
    "sh cat sed tr grep tail head cut df readlink ln rm mv mkdir date sleep wc ls sha256sum stat dd id chmod dirname setsid kill cp";
  for (const tool of tools.split(" ")) symlinkSync(`/usr/bin/${tool}`, join(bin, tool));
  await using bare = await startHost({ PATH: bin });
  const port = await freePort();
  expect(await ensure(bare.ssh, web(port, "bare"))).toMatchObject({ running: true });
  expect(await ensure(bare.ssh, web(port, "bare"))).toBeUndefined();
  const health = { http: { port, path: "/nope" }, timeoutSeconds: 1 } as const;
  const wrong = web(port, "wrong", { command: ["sleep", "1000"], health });
  await expect(ensure(bare.ssh, wrong)).rejects.toMatchObject({
    code: "host.service-unhealthy",
    message: "service web was not healthy within 1 s; the version before it runs again",
  });
  // It was started again; nothing on this host could ask whether it listens yet.
  await vi.waitFor(async () => expect(await ask(port)).toBe("bare"), { timeout: 5_000 });
});

test("a full disk is named with the space that is left", async () => {
  const small = join(host.home, ".pulumi-clore");
  mkdirSync(small, { recursive: true });
  const mounted = await host.ssh.exec(`mount -t tmpfs -o size=64k tmpfs ${small}`, { timeoutMs: 5000 });
  expect(mounted.exitCode).toBe(0);
  try {
    writeFileSync(join(small, "filler"), Buffer.alloc(8_000));
    const files = [{ path: "big", content: Buffer.alloc(100_000, 1), mode: 0o600 }];
    await expect(ensure(host.ssh, { name: "big", command: ["true"], files })).rejects.toMatchObject({
      code: "host.disk-full",
      seen: expect.stringMatching(/^\d+ kB free, \d+ kB to write$/),
    });
  } finally {
    await host.ssh.exec(`umount ${small}`, { timeoutMs: 5000 });
  }
});
