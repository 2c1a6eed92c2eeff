import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readFacts } from "../../../src/host/facts.ts";
import { applyService, observeService, planService } from "../../../src/host/service.ts";
import { verifyHost } from "../../../src/host/verify.ts";
import { startVariant, type VariantHost } from "../../support/variants.ts";
import { run } from "./contract.ts";

/** The home of this host is a file system of 64 kB. */
export function describeFullDisk(): void {
  describe("on a host whose disk is full", () => {
    let host: VariantHost;
    beforeAll(async () => {
      host = await startVariant("plain", { diskFull: true });
    });
    afterAll(() => host[Symbol.asyncDispose]());

    test("the facts say so, and a promise of 50 GB is seen broken", async () => {
      const facts = await readFacts(host.ssh);
      expect(facts.disk).toEqual({ totalGb: 0, freeGb: 0 });
      expect(verifyHost({ diskGb: 50 }, facts).map((error) => error.code)).toEqual(["host.too-little-disk"]);
    });

    test("a service that does not fit is refused by name, and leaves no half file", async () => {
      const files = [{ path: "big.bin", content: Buffer.alloc(200_000, 7), mode: 0o600 }];
      const spec = { name: "big", command: ["sleep", "1000"], files };
      const plan = planService(spec, await observeService(host.ssh, "big"), "own");
      await expect(applyService(host.ssh, plan)).rejects.toMatchObject({
        code: "host.disk-full",
        message: expect.stringMatching(/^service big: the host's disk is full$/),
        seen: expect.stringMatching(/^\d+ kB free, \d+ kB to write$/),
      });
      expect(await run(host.ssh, "find .pulumi-clore -name '*big.bin*'")).toBe("");
      expect(await observeService(host.ssh, "big")).toMatchObject({ running: false });
    });
  });
}
