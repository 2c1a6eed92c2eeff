import { describe, expect, test } from "vitest";
import { startGemini } from "../../src/emulator/gemini.ts";
import { startEmulator } from "../../src/emulator/server.ts";
import { bridgeAddress, docker } from "../support/docker.ts";
import { needs } from "../support/needs.ts";
import { Stack } from "../support/stack.ts";
import { liveThrough, takeDown } from "./story.ts";

const speed = 20;

describe.skipIf(needs("pulumi", "docker"))("the Gemini proxy on a rented container with OpenSSH", () => {
  test("lives through its changes and leaves nothing", { timeout: 400_000 }, async () => {
    const bridge = bridgeAddress();
    await using gemini = await startGemini({ host: ["127.0.0.1", bridge] });
    await using emulator = await startEmulator({ machines: "docker", speed });
    const config = { maxPricePerDay: 1.5, lease: "8h", upstreamUrl: `http://${bridge}:${gemini.port}` };
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

    // The upstream's key is in a file that only its user reads, and in no argument and no order.
    const [order] = emulator.active();
    const machine = order?.machine ?? "";
    expect(order?.orderId).toBe(outputs.orderId);
    const inside = (...command: string[]) => docker("exec", machine, ...command);
    expect(inside("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")).toContain("proxy.mjs");
    expect(inside("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")).not.toContain(gemini.apiKey);
    const files = inside("sh", "-c", `grep -rl '${gemini.apiKey}' /root | xargs stat -c '%a %U'`).split("\n");
    expect([...new Set(files)]).toEqual(["600 root"]);

    await takeDown(stack, outputs, timings);
    expect(emulator.active()).toEqual([]);
    expect(emulator.ledger().orders).toHaveLength(1);
    await expect.poll(() => docker("ps", "-aq", "--filter", `name=${machine}`), { timeout: 20_000 }).toBe("");
    console.log(timings.join(", "));
  });
});
