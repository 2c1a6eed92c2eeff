import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { provision } from "../../bench/ssh/provision.ts";
import { bigContent, SERVICE, type Step, steps as stepsBelow } from "../../bench/ssh/steps.ts";
import { observeService } from "../../src/host/service.ts";
import { connect } from "../../src/ssh/connect.ts";
import { startRelay } from "../support/relay.ts";
import { startHost, type TestHost } from "./support.ts";

/** Long enough that the work itself is little against it. */
const ROUND_TRIP_MS = 500;
let host: TestHost;
let local: string;
beforeAll(async () => {
  host = await startHost();
  local = mkdtempSync(join(tmpdir(), "clore-steps-"));
});
afterAll(async () => {
  await host[Symbol.asyncDispose]();
  rmSync(local, { recursive: true, force: true });
});

/** The benchmark's 20 steps, and `more` files and guarded commands. */
function steps(more: number): { steps: Step[]; contents: Map<number, string> } {
  const app = join(host.home, "app");
  const all: Step[] = [...stepsBelow(app, bigContent())];
  for (let n = 0; n < more; n++) {
    all.push({ file: `${app}/data/part-${n}`, mode: 0o644, content: `part ${n}\n` });
    all.push({ command: `: >${app}/data/done-${n}`, creates: `${app}/data/done-${n}` });
  }
  const contents = new Map<number, string>();
  all.forEach((step, index) => {
    if (!("file" in step)) return;
    writeFileSync(join(local, String(index)), step.content);
    contents.set(index, join(local, String(index)));
  });
  return { steps: all, contents };
}

describe("a re-run with nothing to do", () => {
  test.each([{ more: 0 }, { more: 100 }])(
    "costs at most 3 round trips, with $more pairs of further steps too",
    async ({ more }) => {
      const { steps: wanted, contents } = steps(more);
      await provision(host.ssh, wanted, contents);
      const before = await observeService(host.ssh, SERVICE);
      expect(before).toMatchObject({ running: true, provenHealthy: true });

      await using far = await startRelay(host.target.port, { delayMs: ROUND_TRIP_MS / 2 });
      await using ssh = await connect({ ...host.target, port: far.port }, { timeoutMs: 60_000 });
      const start = performance.now();
      await provision(ssh, wanted, contents);
      expect((performance.now() - start) / ROUND_TRIP_MS).toBeLessThan(3.9);
      expect(await observeService(host.ssh, SERVICE)).toMatchObject({ pid: before.pid });
    },
  );
});
