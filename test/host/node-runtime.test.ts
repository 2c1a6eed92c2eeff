import { execFileSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ensureNode, localNode, NODE_VERSION, nodeArch } from "../../src/host/node-runtime.ts";
import { countingExecs, rental, startHost, type TestHost } from "./support.ts";

const none = "http://127.0.0.1:9";
let host: TestHost;
let cache: string;

beforeAll(async () => {
  host = await startHost();
  cache = mkdtempSync(join(tmpdir(), "clore-node-"));
});
afterAll(async () => {
  await host[Symbol.asyncDispose]();
  rmSync(cache, { recursive: true, force: true });
});

const arch = nodeArch({ arch: process.arch === "arm64" ? "aarch64" : "x86_64" });
const facts = { ...rental, arch: process.arch === "arm64" ? "aarch64" : "x86_64" };
const provide = () => localNode(arch, cache);

async function versionOf(path: string): Promise<string> {
  return (await host.ssh.exec(`${path} --version`, { timeoutMs: 10_000 })).stdout.trim();
}

describe("a Node on a host", () => {
  const installed = () => join(host.home, `.pulumi-clore/runtime/node-${NODE_VERSION}/bin/node`);

  test("of its own is used when it is new enough", async () => {
    const path = await ensureNode(host.ssh, { ...facts, nodeVersion: "22.1.0" }, { provide });
    expect(path).toMatch(/^\/.*node$/);
    expect(existsSync(installed())).toBe(false);
  });

  test("is uploaded when the host has none and cannot download it, and found there the next time", async () => {
    const path = await ensureNode(
      host.ssh,
      { ...facts, nodeVersion: "20.1.0" },
      { provide, downloadBase: none },
    );
    expect(path).toBe(installed());
    expect(statSync(path).mode & 0o777).toBe(0o755);
    expect(await versionOf(path)).toBe(`v${NODE_VERSION}`);
    const counted = countingExecs(host.ssh);
    const never = () => Promise.reject(new Error("asked for an upload"));
    expect(await ensureNode(counted.ssh, facts, { provide: never, downloadBase: none })).toBe(path);
    expect(counted.count()).toBe(1);
  });

  test("that was altered is put right", async () => {
    rmSync(installed());
    writeFileSync(installed(), "#!/bin/sh\necho v24.21.0\n", { mode: 0o755 });
    const plain = { ...facts, tools: [] };
    const path = await ensureNode(host.ssh, plain, { provide, downloadBase: none });
    expect(statSync(path).size).toBeGreaterThan(50e6);
  });

  test("is downloaded by the host where it can, and refused when its hash is wrong", async () => {
    rmSync(join(host.home, ".pulumi-clore"), { recursive: true });
    const name = `node-v${NODE_VERSION}-linux-${arch}`;
    const folder = join(cache, name, "bin");
    mkdirSync(folder, { recursive: true });
    symlinkSync(await provide(), join(folder, "node"));
    const pack = () =>
      execFileSync("tar", ["-C", cache, "-chf", "-", "--use-compress-program=gzip -1", name], {
        maxBuffer: 256e6,
      });
    let archive = pack();
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url!);
      response.end(archive);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const downloadBase = `http://127.0.0.1:${(server.address() as AddressInfo).port}/dist`;
    try {
      const never = () => Promise.reject(new Error("asked for an upload"));
      const path = await ensureNode(host.ssh, facts, { provide: never, downloadBase });
      expect(asked).toEqual([`/dist/v${NODE_VERSION}/${name}.tar.gz`]);
      expect(await versionOf(path)).toBe(`v${NODE_VERSION}`);

      rmSync(join(host.home, ".pulumi-clore"), { recursive: true });
      rmSync(join(folder, "node"));
      writeFileSync(join(folder, "node"), "#!/bin/sh\n", { mode: 0o755 });
      archive = pack();
      await expect(ensureNode(host.ssh, facts, { provide: never, downloadBase })).rejects.toThrow(
        "asked for an upload",
      );
      expect(readdirSync(join(host.home, ".pulumi-clore/runtime"))).toEqual([]);
    } finally {
      server.close();
    }
  });

  test("cannot be had for every architecture", () => {
    expect(() => nodeArch({ arch: "riscv64" })).toThrow(
      expect.objectContaining({ code: "host.node-impossible" }),
    );
  });
});

test("the Node of another architecture comes from npm and is kept", async () => {
  const other = arch === "x64" ? "arm64" : "x64";
  const path = await localNode(other, cache);
  expect(path).toBe(join(cache, `node-${NODE_VERSION}-linux-${other}`));
  const { mtimeMs } = statSync(path);
  expect(await localNode(other, cache)).toBe(path);
  expect(statSync(path).mtimeMs).toBe(mtimeMs);
});
