import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { startGemini } from "../../src/emulator/gemini.ts";
import { marked } from "../../src/emulator/machines/processes.ts";
import { startEmulator } from "../../src/emulator/server.ts";
import { Ledger } from "../../src/ledger/ledger.ts";
import { needs } from "../support/needs.ts";
import { freePort } from "../support/sshd.ts";
import { Stack } from "../support/stack.ts";
import { expectOk, liveThrough, takeDown } from "./story.ts";

const speed = 20;

describe.skipIf(needs("pulumi"))("the Gemini proxy on the sandbox, by the real CLI", () => {
  test("lives through its changes and leaves nothing", { timeout: 300_000 }, async () => {
    await using gemini = await startGemini();
    await using emulator = await startEmulator({ machines: "sandbox", speed });
    const config = {
      maxPricePerDay: 1.5,
      lease: "8h",
      mode: "native",
      port: await freePort(),
      upstreamUrl: gemini.url,
    };
    await using stack = await Stack.create({
      config,
      env: {
        CLORE_API_URL: emulator.apiUrl,
        CLORE_API_KEY: emulator.apiKey,
        CLORE_EMULATOR_SPEED: String(speed),
        GOOGLE_API_KEY: gemini.apiKey,
      },
    });
    const timings: string[] = [];
    const outputs = await liveThrough(
      { stack, config, upstreamKey: gemini.apiKey, runsAs: "native" },
      timings,
    );

    const [order, ...others] = emulator.active();
    expect(others).toEqual([]);
    expect(order).toMatchObject({ orderId: outputs.orderId, serverId: outputs.serverId });
    const machine = order?.machine ?? "";
    expect(existsSync(machine)).toBe(true);
    expect((await marked(machine)).length).toBeGreaterThan(0);

    // Nothing to change: nobody is asked, and it works though SSH is refused. A refresh reads the orders once.
    const quiet = emulator.requests.length;
    await emulator.faults.order("ssh-refused", { orderId: outputs.orderId });
    const idle = await stack.up("--expect-no-changes");
    expectOk(idle);
    expect(emulator.requests.slice(quiet)).toEqual([]);
    await emulator.faults.order("ssh-well", { orderId: outputs.orderId });
    const refreshed = await stack.up("--expect-no-changes", "--refresh");
    expectOk(refreshed);
    expect(emulator.requests.slice(quiet).map(({ path }) => path)).toEqual(["/v1/my_orders"]);
    timings.push(
      `up, nothing to change ${idle.seconds.toFixed(1)} s, with refresh ${refreshed.seconds.toFixed(1)} s`,
    );

    await takeDown(stack, outputs, timings);
    expect(emulator.active()).toEqual([]);
    expect(emulator.ledger().orders).toHaveLength(1);
    expect(new Ledger(stack.home).entries()).toMatchObject([
      { orderId: outputs.orderId, outcome: "cancelled" },
    ]);
    await expect.poll(() => existsSync(machine)).toBe(false);
    expect(await marked(machine)).toEqual([]);
    console.log(timings.join(", "));
  });
});
