import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { installOllama, OLLAMA_VERSION } from "../../../src/host/ollama/install.ts";
import { connect } from "../../../src/ssh/connect.ts";
import type { SshConnection } from "../../../src/ssh/types.ts";
import { ollamaVersion } from "../../../tools/setup/ollama.ts";
import { startMachine, type TestMachine } from "../../support/machines.ts";
import { rental } from "../support.ts";

const nowhere = "http://127.0.0.1:9";
let work: string;
let here: string;
let release: Server;
let base: string;
let requests: string[];
let wrongSum: boolean;

/** A release in Ollama's layout, with a program that only tells its version. */
beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), "clore-release-"));
  here = join(work, "here");
  mkdirSync(join(here, "bin"), { recursive: true });
  mkdirSync(join(here, "lib/ollama/cuda_v12"), { recursive: true });
  writeFileSync(join(here, "bin/ollama"), `#!/bin/sh\necho "ollama version is ${OLLAMA_VERSION}"\n`);
  chmodSync(join(here, "bin/ollama"), 0o755);
  writeFileSync(join(here, "lib/ollama/libggml-cpu.so"), "cpu");
  writeFileSync(join(here, "lib/ollama/cuda_v12/libggml-cuda.so"), "cuda");
  const tar = execFileSync("tar", ["-cf", "-", "-C", here, "."]);
  const bytes = zstdCompressSync(tar);
  release = createServer((request, response) => {
    requests.push(request.url ?? "");
    const sum = createHash("sha256")
      .update(wrongSum ? "other" : bytes)
      .digest("hex");
    if (request.url === `/v${OLLAMA_VERSION}/sha256sum.txt`)
      response.end(`${sum}  ./ollama-linux-amd64.tar.zst\n`);
    else if (request.url === `/v${OLLAMA_VERSION}/ollama-linux-amd64.tar.zst`) response.end(bytes);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => release.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(release.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await new Promise((resolve) => release.close(resolve));
  rmSync(work, { recursive: true, force: true });
});

describe("Ollama on a host", () => {
  let machine: TestMachine;
  let ssh: SshConnection;
  const home = () => join(machine.machine.id, "home");
  const folder = () => join(home(), `.pulumi-clore/runtime/ollama-${OLLAMA_VERSION}`);
  const facts = { ...rental, gpus: [], tools: ["tar", "gzip"] };
  beforeEach(async () => {
    requests = [];
    wrongSum = false;
    machine = await startMachine();
    // Not every machine has zstd; Node can stand in for it.
    const unpack = "process.stdout.write(zlib.zstdDecompressSync(fs.readFileSync(process.argv[1])))";
    const zstd = join(machine.machine.id, "bin/zstd");
    writeFileSync(zstd, `#!/bin/sh\nexec "${process.execPath}" -e '${unpack}' "$2"\n`);
    chmodSync(zstd, 0o755);
    ssh = await connect({ ...machine, hostKey: undefined }, { timeoutMs: 10_000 });
  });
  afterEach(async () => {
    await ssh.close();
    await machine.close();
  });

  test("is the version that the tests run too", () => {
    expect(OLLAMA_VERSION).toBe(ollamaVersion);
  });

  test("is downloaded by the host and compared with the release's checksums; a second time it is found there", async () => {
    const provide = () => expect.unreachable("nothing is to be uploaded");
    const path = await installOllama(ssh, facts, { provide, downloadBase: base });
    expect(path).toBe(join(folder(), "bin/ollama"));
    expect(existsSync(join(folder(), "lib/ollama/cuda_v12/libggml-cuda.so"))).toBe(true);
    expect(requests).toEqual([
      `/v${OLLAMA_VERSION}/sha256sum.txt`,
      `/v${OLLAMA_VERSION}/ollama-linux-amd64.tar.zst`,
    ]);
    expect(await installOllama(ssh, facts, { provide, downloadBase: base })).toBe(path);
    expect(requests.length).toBe(2);
  });

  test("an archive with another checksum is not unpacked", async () => {
    wrongSum = true;
    const installing = installOllama(ssh, facts, { provide: async () => undefined, downloadBase: base });
    await expect(installing).rejects.toMatchObject({
      code: "host.ollama-impossible",
      seen: expect.stringContaining("has not the checksum"),
    });
    expect(existsSync(folder())).toBe(false);
    expect(existsSync(`${folder()}.new`)).toBe(false);
  });

  test.each([{ tools: ["tar", "gzip"] }, { tools: ["tar"] }])(
    "is uploaded to a host with $tools that cannot download it, without what GPUs need",
    async ({ tools }) => {
      const provide = async () => here;
      const path = await installOllama(ssh, { ...facts, tools }, { provide, downloadBase: nowhere });
      expect(path).toBe(join(folder(), "bin/ollama"));
      expect(existsSync(join(folder(), "lib/ollama/libggml-cpu.so"))).toBe(true);
      expect(existsSync(join(folder(), "lib/ollama/cuda_v12"))).toBe(false);
      const found = await installOllama(ssh, facts, {
        provide: async () => undefined,
        downloadBase: nowhere,
      });
      expect(found).toBe(path);
    },
  );

  test("where neither is possible the error says what can be done", async () => {
    const installing = installOllama(ssh, facts, { provide: async () => undefined, downloadBase: nowhere });
    await expect(installing).rejects.toMatchObject({
      code: "host.ollama-impossible",
      seen: expect.stringContaining("cannot be downloaded"),
      hint: expect.stringContaining("mode image"),
    });
  });

  test("an unknown architecture is refused", async () => {
    const installing = installOllama(ssh, { ...facts, arch: "riscv64" }, { provide: async () => here });
    await expect(installing).rejects.toMatchObject({ code: "host.ollama-impossible" });
  });
});
