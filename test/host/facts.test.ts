import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseFacts, readFacts } from "../../src/host/facts.ts";
import { countingExecs, startHost, type TestHost } from "./support.ts";

const FULL = `Welcome to the machine

## os
PRETTY_NAME="Ubuntu 24.04.1 LTS"
ID=ubuntu
VERSION_ID="24.04"
## uname
x86_64
6.8.0-45-generic
## cpu
88
## mem
MemTotal:       131923124 kB
limit: 34359738368
## disk
Filesystem     1024-blocks     Used Available Capacity Mounted on
overlay          107374182 10737418  96636764      11% /
## gpu
NVIDIA GeForce RTX 4090, 24564, 550.54.14
NVIDIA GeForce RTX 4090, 24564, 550.54.14
## pid1
bash
## user
root
0
/root
## sudo
## systemd
## supervisord
17
## docker
cli
socket /var/run/docker.sock
writable
version 27.1.1
## caps
CapEff:\t00000000a80425fb
## tools
curl
tar
rm -rf /
## node
v22.3.0
## end
`;

test("reads a whole answer, after a login banner", () => {
  expect(parseFacts(FULL)).toEqual({
    os: { id: "ubuntu", version: "24.04", prettyName: "Ubuntu 24.04.1 LTS" },
    arch: "x86_64",
    kernel: "6.8.0-45-generic",
    cpuThreads: 88,
    ramGb: 32,
    disk: { totalGb: 102.4, freeGb: 92.2 },
    gpus: [
      { name: "NVIDIA GeForce RTX 4090", vramGb: 24, driver: "550.54.14" },
      { name: "NVIDIA GeForce RTX 4090", vramGb: 24, driver: "550.54.14" },
    ],
    pid1: "bash",
    user: "root",
    home: "/root",
    isRoot: true,
    canSudo: false,
    systemd: false,
    supervisord: true,
    docker: { cli: true, socket: "/var/run/docker.sock", works: true, version: "27.1.1" },
    privileged: false,
    tools: ["curl", "tar"],
    nodeVersion: "22.3.0",
  });
});

const section = (name: string, lines: string) =>
  FULL.replace(new RegExp(`## ${name}\n[^#]*`), `## ${name}\n${lines}\n`);

describe("what makes no sense is not there", () => {
  test.each([
    {
      name: "nvidia-smi that fails",
      text: section("gpu", "NVIDIA-SMI has failed because it couldn't talk"),
      want: { gpus: [] },
    },
    { name: "no devices", text: section("gpu", "No devices were found"), want: { gpus: [] } },
    {
      name: "unified memory",
      text: section("gpu", "NVIDIA GB10, [N/A], 580.95.05"),
      want: { gpus: [{ name: "NVIDIA GB10", vramGb: 0, driver: "580.95.05" }] },
    },
    { name: "a GPU with a memory of words", text: section("gpu", "RTX 4090, lots, 1.2"), want: { gpus: [] } },
    { name: "no df", text: section("disk", ""), want: { disk: { totalGb: 0, freeGb: 0 } } },
    {
      name: "no limit of memory",
      text: section("mem", "MemTotal: 1048576 kB\nlimit: max"),
      want: { ramGb: 1 },
    },
    {
      name: "a client without a daemon",
      text: section("docker", "cli\nversion"),
      want: { docker: { cli: true, socket: undefined, works: false, version: undefined } },
    },
    {
      name: "a socket that may not be used",
      text: section("docker", "cli\nsocket /var/run/docker.sock\nversion 27.1.1"),
      want: { docker: { cli: true, socket: "/var/run/docker.sock", works: false, version: "27.1.1" } },
    },
    {
      name: "a daemon asked by curl",
      text: section(
        "docker",
        'socket /var/run/docker.sock\nwritable\ninfo {"Platform":{},"Version":"20.10.24"}',
      ),
      want: { docker: { cli: false, socket: "/var/run/docker.sock", works: true, version: "20.10.24" } },
    },
    {
      name: "supervisorctl without a daemon",
      text: section("supervisord", "unix:///var/run/supervisor.sock no such file"),
      want: { supervisord: false },
    },
    { name: "systemd named but not PID 1", text: section("systemd", "running"), want: { systemd: false } },
    {
      name: "every capability",
      text: section("caps", "CapEff: 000001ffffffffff"),
      want: { privileged: true },
    },
    {
      name: "a node that prints an error",
      text: section("node", "node: not found"),
      want: { nodeVersion: undefined },
    },
    { name: "no processors", text: section("cpu", "-3"), want: { cpuThreads: 1 } },
    {
      name: "escape sequences in a name",
      text: section("gpu", "\u001b[2JRTX, 1024, 1.2"),
      want: { gpus: [{ name: "\\x1b[2JRTX", vramGb: 1, driver: "1.2" }] },
    },
    {
      name: "a section said twice",
      text: FULL + "## pid1\nsystemd\n## systemd\nrunning\n",
      want: { pid1: "bash", systemd: false },
    },
  ])("$name", ({ text, want }) => {
    expect(parseFacts(text)).toMatchObject(want);
  });
});

test("an answer without anything usable is an error that shows it, safely", () => {
  expect(() => parseFacts("This account is \u001b[5mnot available")).toThrow(
    expect.objectContaining({ code: "host.bad-facts", seen: "This account is \\x1b[5mnot available" }),
  );
});

test("any text gives facts within bounds or host.bad-facts, never another error", () => {
  const line = fc.oneof(fc.constantFrom(...FULL.split("\n")), fc.string());
  fc.assert(
    fc.property(fc.array(line, { maxLength: 80 }), (lines) => {
      try {
        const facts = parseFacts(lines.join("\n"));
        expect(facts.gpus.length).toBeLessThanOrEqual(64);
        for (const value of [facts.ramGb, facts.disk.totalGb, facts.disk.freeGb, facts.cpuThreads]) {
          expect(Number.isFinite(value) && value >= 0).toBe(true);
        }
      } catch (error) {
        expect(error).toMatchObject({ code: "host.bad-facts" });
      }
    }),
  );
});

describe("a real host", () => {
  let host: TestHost;
  beforeAll(async () => {
    host = await startHost();
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
  });

  test("is known after one round trip", async () => {
    const counted = countingExecs(host.ssh);
    const facts = await readFacts(counted.ssh);
    expect(counted.count()).toBe(1);
    expect(facts.home).toBe(host.home);
    expect(facts.ramGb).toBeGreaterThan(0.5);
    expect(facts.disk.totalGb).toBeGreaterThan(facts.disk.freeGb);
    expect(facts.tools).toEqual(expect.arrayContaining(["tar", "gzip"]));
    expect(facts.isRoot).toBe(process.getuid?.() === 0);
  });

  test("with an endless and a hanging program still answers", async () => {
    const bin = join(host.home, "bin");
    mkdirSync(bin);
    writeFileSync(
      join(bin, "nvidia-smi"),
      "#!/bin/sh\nwhile :; do echo NVIDIA RTX A6000, 49140, 550.1; done\n",
    );
    writeFileSync(join(bin, "node"), "#!/bin/sh\nexec sleep 100\n");
    for (const tool of ["nvidia-smi", "node"]) chmodSync(join(bin, tool), 0o755);
    await using slow = await startHost({ PATH: `${bin}:/usr/bin:/bin` });
    const facts = await readFacts(slow.ssh);
    expect(facts.gpus).toHaveLength(64);
    expect(facts.gpus[0]).toEqual({ name: "NVIDIA RTX A6000", vramGb: 48, driver: "550.1" });
    expect(facts.nodeVersion).toBeUndefined();
  });
});
