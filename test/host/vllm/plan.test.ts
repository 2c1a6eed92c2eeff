import { describe, expect, test } from "vitest";
import type { HostFacts } from "../../../src/host/types.ts";
import { parseVllmSeen, type VllmSeen } from "../../../src/host/vllm/look.ts";
import { pipIndexArguments, planVllm, vllmObstacles } from "../../../src/host/vllm/plan.ts";
import { rental } from "../support.ts";

const python312 = { path: "/usr/bin/python3", minor: 12, canVenv: true, hasHeaders: true };
const ready: VllmSeen = {
  program: undefined,
  pythons: [python312],
  hasCompiler: true,
  computeCapabilities: [8.6],
};
const bare: VllmSeen = {
  ...ready,
  pythons: [{ ...python312, canVenv: false, hasHeaders: false }],
  hasCompiler: false,
};

const folder = "/root/.pulumi-clore/runtime/vllm-0.17.1";
const environment = [
  `rm -rf ${folder}`,
  `/usr/bin/python3 -m venv ${folder}`,
  `${folder}/bin/python -m pip install --disable-pip-version-check --no-input --no-cache-dir --progress-bar off vllm==0.17.1`,
  `test -x ${folder}/bin/vllm`,
  `touch ${folder}/complete`,
];

describe("what is done so that vLLM is there", () => {
  test.each<{ name: string; seen: VllmSeen; index?: string; lines: string[]; program?: string }>([
    { name: "on a host that has what it takes", seen: ready, lines: environment },
    {
      name: "on a bare Debian or Ubuntu, its packages first",
      seen: bare,
      lines: [
        "DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 update -qq",
        "DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends python3.12-venv python3.12-dev gcc libc6-dev >/dev/null",
        ...environment,
      ],
    },
    {
      name: "from another index",
      seen: ready,
      index: "https://packages.example/simple",
      lines: environment.map((line) =>
        line.replace(" vllm==", " --index-url https://packages.example/simple vllm=="),
      ),
    },
    {
      name: "from wheels on the host",
      seen: ready,
      index: "/srv/it's wheels",
      lines: environment.map((line) =>
        line.replace(" vllm==", " --no-index --find-links '/srv/it'\\''s wheels' vllm=="),
      ),
    },
    {
      name: "nothing where it is",
      seen: { ...bare, program: "/usr/local/bin/vllm", computeCapabilities: [] },
      lines: [],
      program: "/usr/local/bin/vllm",
    },
    {
      name: "with the Python that lacks nothing, not the first",
      seen: { ...ready, pythons: [{ ...bare.pythons[0]!, path: "/opt/python3.13", minor: 13 }, python312] },
      lines: environment,
    },
  ])("$name", ({ seen, index, lines, program = `${folder}/bin/vllm` }) => {
    expect(planVllm(rental, seen, index)).toEqual({ program, lines });
  });
});

describe("a host that cannot run vLLM is refused before anything is downloaded", () => {
  test.each<{ name: string; facts?: Partial<HostFacts>; seen?: Partial<VllmSeen>; found: string[][] }>([
    { name: "no GPU", facts: { gpus: [] }, found: [["host.no-gpu", "nvidia-smi lists no GPU"]] },
    {
      name: "a GPU too old",
      seen: { computeCapabilities: [8.6, 6.1] },
      found: [["host.wrong-gpu", "NVIDIA GeForce RTX 3060: 6.1"]],
    },
    { name: "a GPU whose age the driver does not tell", seen: { computeCapabilities: [] }, found: [] },
    {
      name: "another architecture",
      facts: { arch: "riscv64" },
      found: [["host.vllm-impossible", "riscv64"]],
    },
    {
      name: "Pythons too old and too new",
      seen: {
        pythons: [
          { ...python312, minor: 9 },
          { ...python312, path: "/opt/python3", minor: 14 },
        ],
      },
      found: [["host.vllm-impossible", "/usr/bin/python3 is 3.9, /opt/python3 is 3.14"]],
    },
    { name: "no Python", seen: { pythons: [] }, found: [["host.vllm-impossible", "no python3"]] },
    {
      name: "parts that this user cannot install",
      facts: { isRoot: false, user: "ann" },
      seen: bare,
      found: [["host.vllm-impossible", "venv of Python 3.12, C headers of Python 3.12, a C compiler"]],
    },
    {
      name: "a disk too small, and no GPU",
      facts: { gpus: [], disk: { totalGb: 20, freeGb: 14.9 } },
      found: [
        ["host.no-gpu", "nvidia-smi lists no GPU"],
        ["host.too-little-disk", "14.9 GB free"],
      ],
    },
  ])("$name", ({ facts, seen, found }) => {
    const host = { ...rental, ...facts };
    const obstacles = vllmObstacles(host, { ...ready, ...seen });
    expect(obstacles.map((error) => [error.code, error.seen])).toEqual(found);
    if (obstacles[0]) {
      const code = obstacles[0].code;
      expect(() => planVllm(host, { ...ready, ...seen }, undefined)).toThrow(
        expect.objectContaining({ code }),
      );
    }
  });
});

test.each([
  "pypi.example/simple",
  "https://ann:secret@packages.example/simple",
  "file:///wheels",
  "wheels",
  "",
])("%j is no package index, and is not repeated in the error", (index) => {
  const error = (() => {
    try {
      return pipIndexArguments(index);
    } catch (caught) {
      return caught as Error;
    }
  })();
  expect(error).toMatchObject({ code: "vllm.bad-index" });
  expect(JSON.stringify({ ...error, message: (error as Error).message })).not.toContain("secret");
});

describe("what the look says", () => {
  test("is read line by line", () => {
    const text = [
      "program=/usr/local/bin/vllm",
      "python=/usr/bin/python3.12 3.12 venv headers",
      "python=/usr/bin/python3 3.9 - -",
      "compiler=gcc",
      "compute=8.9",
      "compute=8.6",
    ].join("\n");
    expect(parseVllmSeen(text)).toEqual({
      program: "/usr/local/bin/vllm",
      pythons: [
        { path: "/usr/bin/python3.12", minor: 12, canVenv: true, hasHeaders: true },
        { path: "/usr/bin/python3", minor: 9, canVenv: false, hasHeaders: false },
      ],
      hasCompiler: true,
      computeCapabilities: [8.9, 8.6],
    });
  });

  test.each([
    "",
    "program=vllm\npython=python3 3.12 venv headers\ncompute=[N/A]",
    "python=/usr/bin/python3 2.7 - -",
  ])("%j says nothing", (text) => {
    const nothing = { program: undefined, pythons: [], hasCompiler: false, computeCapabilities: [] };
    expect(parseVllmSeen(text)).toEqual(nothing);
  });
});
