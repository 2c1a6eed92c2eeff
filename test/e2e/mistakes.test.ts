import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Gemini, startGemini } from "../../src/emulator/gemini.ts";
import { type Emulator, startEmulator } from "../../src/emulator/server.ts";
import { expectNoOrders } from "../support/engine.ts";
import { needs } from "../support/needs.ts";
import { freePort } from "../support/sshd.ts";
import { Stack } from "../support/stack.ts";
import { chat, expectOk, type Outputs, resource } from "./story.ts";

const speed = 20;

/** What a user sees of a mistake. Each is tested in full below Pulumi; here it must arrive, and cost nothing. */
describe.skipIf(needs("pulumi"))("by the real CLI", () => {
  let gemini: Gemini;
  let emulator: Emulator;
  let config: Record<string, unknown>;
  let env: Record<string, string>;
  beforeAll(async () => {
    gemini = await startGemini();
    emulator = await startEmulator({ machines: "sandbox", speed });
    config = {
      maxPricePerDay: 1.5,
      lease: "8h",
      mode: "native",
      port: await freePort(),
      upstreamUrl: gemini.url,
    };
    env = {
      CLORE_API_URL: emulator.apiUrl,
      CLORE_API_KEY: emulator.apiKey,
      CLORE_EMULATOR_SPEED: String(speed),
      GOOGLE_API_KEY: gemini.apiKey,
    };
  });
  afterEach(() => expectNoOrders(emulator));
  afterAll(async () => {
    await emulator.close();
    await gemini.close();
  });

  test("all mistakes of a configuration come in one message", { timeout: 60_000 }, async () => {
    await using stack = await Stack.create({
      config: {
        ...{ ...config, maxPricePerDay: 0, countries: "Germany", mode: "vm", port: 99999, host: "root" },
        ...{ lease: "8hours", minDownMbsp: 100 },
      },
      env: { ...env, GOOGLE_API_KEY: "" },
    });
    const ran = await stack.run("preview");
    expect(ran.exitCode).not.toBe(0);
    expect(ran.output).toContain(
      "the configuration of stack gemini-proxy has 9 mistakes (nothing was rented):",
    );
    for (const line of [
      "pulumi-clore:maxPricePerDay: should be more than 0: USD per day",
      'pulumi-clore:countries: should be a JSON list: ["DE","NL"]',
      "pulumi-clore:mode: should be auto, native or docker",
      "pulumi-clore:host: should be user@address or user@address:port",
      "pulumi-clore:port: should be at most 65535, is 99999",
      'pulumi-clore:lease: should be a duration such as "90m", "8h" or "3d", or "none", is "8hours"',
      "pulumi-clore:minDownMbsp: no such key; did you mean minDownMbps?",
      "pulumi-clore:hostPrivateKeyFile: should be the file of an ed25519 private key",
      "pulumi-clore:upstreamKey: no key for google: set the environment variable GOOGLE_API_KEY",
    ])
      expect(ran.output).toContain(line);
    expect(ran.output).not.toMatch(/^\s+at .*\.ts:/m);

    stack.configure({ ...config, countries: ["UK"], maxPricePerDay: 1 });
    const country = await stack.up();
    expect(country.output).toContain('"UK" is no ISO 3166 country code; did you mean GB (United Kingdom)?');
  });

  test("a missing key of the model's API, and of Clore.ai", { timeout: 60_000 }, async () => {
    await using keyless = await Stack.create({ config, env: { ...env, GOOGLE_API_KEY: "" } });
    const noGoogle = await keyless.up();
    expect(noGoogle.exitCode).not.toBe(0);
    expect(noGoogle.output).toMatch(
      /\(nothing was rented\):\s+pulumi-clore:upstreamKey: no key for google: set the environment variable GOOGLE_API_KEY/,
    );
    expect(noGoogle.output).not.toMatch(/^\s+at .*\.ts:/m);

    await using stack = await Stack.create({ config, env: { ...env, CLORE_API_KEY: "" } });
    const noClore = await stack.up();
    expect(noClore.exitCode).not.toBe(0);
    expect(noClore.output).toMatch(/clore\.no-api-key: [\s\S]*pulumi config set --secret clore:apiKey <key>/);
  });

  test("no offer fits: which filter, the nearest miss, and what to change", { timeout: 60_000 }, async () => {
    await using stack = await Stack.create({ config: { ...config, minDownMbps: 20_000 }, env });
    const ran = await stack.up();
    expect(ran.exitCode).not.toBe(0);
    expect(ran.output).toMatch(
      /market\.no-offer: no offer fits: none of the last [\d,]+ is ".*20,?000 Mbps.*"/,
    );
    expect(ran.output).toMatch(/nearest: server \d+ .*\n\s+hint: set minDownMbps to \d+/);
    // The preview says so too, before anything is made.
    const preview = await stack.run("preview");
    expect(preview.output).toContain("market.no-offer");
  });

  test("a server that everybody wants: the next is taken, and said so", { timeout: 90_000 }, async () => {
    await using stack = await Stack.create({ config, env });
    await emulator.faults.order("server-already-rented");
    await emulator.faults.order("currency-not-allowed", { onCall: 2 });
    const ran = await stack.up();
    expectOk(ran);
    expect(ran.output).toMatch(/server \d+: clore\.server-already-rented: .*; trying the next offer/);
    expect(ran.output).toMatch(/server \d+: clore\.currency-not-allowed: .*; trying the next offer/);
    const outputs = await stack.outputs<Outputs>();
    expect(emulator.active().map((order) => order.orderId)).toEqual([outputs.orderId]);
    expectOk(await stack.destroy());
  });

  test("Ctrl-C while it waits for SSH: the order is in the state, and the next up goes on with it", {
    timeout: 120_000,
  }, async () => {
    await using stack = await Stack.create({ config, env });
    await emulator.faults.order("ssh-refused");
    const ran = await stack.interrupted(/waiting for SSH: ssh\.refused/, "up", "--yes", "--skip-preview");
    expect(ran.exitCode).not.toBe(0);
    const [order] = emulator.active();
    expect(ran.output).toMatch(new RegExp(`order ${order?.orderId} on server \\d+ exists and is not ready`));
    expect((await resource(stack, "Server")).outputs).toMatchObject({ orderId: order?.orderId });

    await emulator.faults.order("ssh-well", { orderId: order?.orderId });
    expectOk(await stack.up());
    const outputs = await stack.outputs<Outputs>();
    expect(outputs.orderId).toBe(order?.orderId);
    expect(await chat(outputs)).not.toBe("");
    expectOk(await stack.destroy());
  });
});
