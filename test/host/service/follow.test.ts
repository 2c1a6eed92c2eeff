import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { silentLog } from "../../../src/core/log.ts";
import { applyService, observeService, planService, type ServiceSpec } from "../../../src/host/service.ts";
import { startHost } from "../support.ts";

test("a start that takes long shows the service's own last line, and no more once it is over", async () => {
  await using host = await startHost();
  const spec: ServiceSpec = {
    name: "slow",
    command: ["sh", "-c", "printf 'begin\\nloading 43 %%\\n'; sleep 1; touch ready; exec sleep 1000"],
    stopTimeoutSeconds: 1,
    health: { command: ["test", "-e", "ready"], timeoutSeconds: 20 },
  };
  const lines: string[] = [];
  const log = { ...silentLog, status: (line: string) => void lines.push(line) };
  // 5 s are 100 ms here.
  const clock = {
    now: Date.now,
    sleep: (ms: number, signal?: AbortSignal) => delay(ms / 50, undefined, { signal }),
  };
  const plan = planService(spec, await observeService(host.ssh, "slow"), "own");
  const seen = await applyService(host.ssh, plan, { log, clock });
  expect(seen).toMatchObject({ running: true, provenHealthy: true });
  expect(new Set(lines)).toEqual(
    new Set([
      "service slow: writing files",
      "service slow: start, it is not there",
      "service slow: loading 43 %",
      "service slow: healthy",
    ]),
  );
  const count = lines.length;
  await delay(300);
  expect(lines).toHaveLength(count);
  expect(lines.at(-1)).toBe("service slow: healthy");
});
