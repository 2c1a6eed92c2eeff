import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Gpu } from "../../../src/emulator/machines/types.ts";
import { ensureDocker } from "../../../src/host/docker.ts";
import { readFacts } from "../../../src/host/facts.ts";
import { chooseMode } from "../../../src/host/mode.ts";
import { type Promised, verifyHost } from "../../../src/host/verify.ts";
import { startVariant, type VariantHost } from "../../support/variants.ts";
import { run } from "./contract.ts";

const gpu = (name: string, vramGb: number): Gpu => ({ name: `NVIDIA GeForce ${name}`, vramGb });
const promised4090 = { gpuModel: "RTX 4090", gpuCount: 1, minVramGb: 24 };

/** What nvidia-smi says on the host, read over SSH and held against what was promised; and Docker where it cannot be. */
export function describeGpus(): void {
  describe("on an unprivileged host", () => {
    let host: VariantHost;
    beforeAll(async () => {
      host = await startVariant("plain");
    });
    afterAll(() => host[Symbol.asyncDispose]());

    test.each<{ name: string; promised: Promised; gpus: Gpu[]; seen: readonly [string, string][] }>([
      { name: "the right GPU", promised: promised4090, gpus: [gpu("RTX 4090", 24)], seen: [] },
      {
        name: "an RTX 4090 D for an RTX 4090",
        promised: promised4090,
        gpus: [gpu("RTX 4090 D", 24)],
        seen: [["host.wrong-gpu", "NVIDIA GeForce RTX 4090 D (24 GB)"]],
      },
      {
        name: "a laptop's RTX 4090",
        promised: promised4090,
        gpus: [gpu("RTX 4090 Laptop GPU", 16)],
        seen: [["host.wrong-gpu", "NVIDIA GeForce RTX 4090 Laptop GPU (16 GB)"]],
      },
      {
        name: "an RTX 3060 with 8 GB for one with 12",
        promised: { gpuModel: "RTX 3060", minVramGb: 12 },
        gpus: [gpu("RTX 3060", 8)],
        seen: [["host.too-little-vram", "NVIDIA GeForce RTX 3060 (8 GB)"]],
      },
      {
        name: "two of two",
        promised: { ...promised4090, gpuCount: 2 },
        gpus: [gpu("RTX 4090", 24), gpu("RTX 4090", 24)],
        seen: [],
      },
      {
        name: "one right and one wrong of two",
        promised: { ...promised4090, gpuCount: 2 },
        gpus: [gpu("RTX 4090", 24), gpu("RTX 3090", 24)],
        seen: [["host.wrong-gpu", "NVIDIA GeForce RTX 4090 (24 GB), NVIDIA GeForce RTX 3090 (24 GB)"]],
      },
      {
        name: "a driver that does not answer",
        promised: promised4090,
        gpus: [],
        seen: [["host.no-gpu", "nvidia-smi is missing, fails or lists none"]],
      },
    ])("$name", async ({ promised, gpus, seen }) => {
      await host.machine.machine.setGpus(gpus);
      const problems = verifyHost(promised, await readFacts(host.ssh));
      expect(problems.map((error) => [error.code, error.seen])).toEqual(seen);
    });

    test("no nvidia-smi at all", async () => {
      await run(host.ssh, "rm /usr/bin/nvidia-smi");
      const problems = verifyHost(promised4090, await readFacts(host.ssh));
      expect(problems.map((error) => error.code)).toEqual(["host.no-gpu"]);
    });

    test("mode docker is refused with the reason before anything is downloaded", async () => {
      const facts = await readFacts(host.ssh);
      const seen = "the host is an unprivileged container (no CAP_SYS_ADMIN)";
      expect(() => chooseMode("docker", facts)).toThrow(
        expect.objectContaining({ code: "host.mode-impossible", seen }),
      );
      await expect(ensureDocker(host.ssh, facts)).rejects.toMatchObject({
        code: "host.docker-impossible",
        seen,
      });
      expect(await run(host.ssh, "ls /var/lib/apt/lists | wc -l; command -v dockerd || true")).toBe("0\n");
    });
  });
}
