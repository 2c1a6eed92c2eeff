import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { isRunning } from "../../src/core/is-running.ts";
import { pricesInUsd } from "../../src/emulator/market/rows.ts";
import { type Emulator, startEmulator } from "../../src/emulator/server.ts";
import { Ledger } from "../../src/ledger/ledger.ts";
import type { Properties } from "../../src/provider/rpc/values.ts";
import { unknown } from "../../src/provider/rpc/values.ts";
import { generateKeyPair } from "../../src/ssh/keypair.ts";
import { CallFailed, Engine, expectNoOrders, pluginEnv, pluginPath } from "../support/engine.ts";

const speed = 40;
const sig = "4dabf18193072939515e22adb298388d";
const secretSig = "1b47061264138c4ac30d75fd1eb44270";

let emulator: Emulator;
let engine: Engine;
beforeAll(async () => {
  const market = [1, 1.1, 1.2].map((usd, i) => ({ id: 101 + i, price: pricesInUsd(usd, usd * 0.8) }));
  emulator = await startEmulator({ machines: "sandbox", speed, marketSize: 0, market });
});
afterAll(() => emulator.close());
beforeEach(async () => {
  engine = await Engine.start({ emulator, speed });
});
afterEach(async () => {
  emulator.faults.clear();
  await engine[Symbol.asyncDispose]();
  await expectNoOrders(emulator);
});

const keys = generateKeyPair("test");
const inputs: Properties = {
  sshKey: { publicKey: keys.publicKey, privateKey: keys.privateKey },
  gpu: "RTX 3090",
  currency: "USD-Blockchain",
  lease: "8h",
};
const secrets = ["sshKey"];

async function failureOf(call: Promise<unknown>): Promise<CallFailed> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof CallFailed)) throw new Error("the call did not fail");
  return error;
}

describe("secrets", () => {
  test("leave wrapped: what was a secret input, and what is one by nature", async () => {
    const key = await engine.create("SshKey", { comment: "laptop" });
    expect(key.secrets).toEqual(new Set(["privateKey"]));
    expect(key.raw.privateKey).toEqual({
      [sig]: secretSig,
      value: expect.stringContaining("OPENSSH PRIVATE KEY"),
    });
    expect(key.values.publicKey).toMatch(/^ssh-ed25519 AAAA\S+ laptop$/);
    expect(key.id).toBe(key.values.fingerprint);

    const apiKey = await engine.create("ApiKey", { prefix: "sk-" }, { secrets: ["prefix"] });
    expect(apiKey.secrets).toEqual(new Set(["prefix", "key"]));
    expect(apiKey.values.key).toMatch(/^sk-[\w-]{43}$/);
  });

  test("come back from check as they went in", async () => {
    const checked = await engine.check("Server", inputs, { secrets });
    expect(checked.failures).toEqual([]);
    expect(checked.secrets).toEqual(new Set(secrets));
    expect(checked.values.sshKey).toEqual(inputs.sshKey);
  });

  test("are refused where strangers would read them", async () => {
    const open = { ...inputs, env: { TOKEN: "hush" }, command: "run" };
    const checked = await engine.check("Server", open, { secrets: ["sshKey", "env"] });
    expect(checked.failures).toEqual([
      "env: holds a secret, and would be read by strangers; a Service takes secrets in secretEnv",
    ]);
  });

  test("of a rented server are wrapped, and nowhere else in what it tells", async () => {
    const server = await engine.create("Server", inputs, { secrets });
    expect(server.secrets).toEqual(new Set(["sshKey", "connection"]));
    const { sshKey: _, connection, ...open } = server.raw;
    expect(connection).toMatchObject({ [sig]: secretSig });
    expect(JSON.stringify(open)).not.toContain("PRIVATE KEY");
    expect(engine.lines.join("\n")).not.toContain("PRIVATE KEY");
    expect(readFileSync(join(engine.home, "ledger.jsonl"), "utf8")).not.toMatch(new RegExp(emulator.apiKey));
    await engine.delete("Server", server.id, server.values);
  });
});

test("check gives all mistakes at once", async () => {
  const { failures } = await engine.check("Server", {
    ...inputs,
    gpu: "RTX 3091",
    maxPricePerDay: 0,
    countries: ["Germany"],
  });
  expect(failures).toEqual([
    expect.stringMatching(/^gpu: no GPU class is called "RTX 3091"; nearest: "RTX 3090"/),
    expect.stringMatching(/^countries\[0\]: "Germany" is no ISO 3166 country code; did you mean DE/),
    expect.stringMatching(/^maxPricePerDay: 0 rents nothing/),
  ]);
});

test("a preview names the offer, spends nothing and leaves open what is not known", async () => {
  const before = emulator.requests.length;
  const preview = await engine.create("Server", { ...inputs, sshKey: unknown }, { preview: true });
  expect(preview.id).toBe("");
  expect(preview.values).toMatchObject({ sshKey: unknown, kind: "rented" });
  expect(engine.lines.join("\n")).toMatch(
    /would rent #101 at 1\.00 USD\/day \(0\.042? USD\/h\), ready in about 2 min: .*chosen over server 102/,
  );
  const asked = emulator.requests.slice(before).map(({ path }) => path.split("/").at(-1));
  // A busy machine can make two sends arrive as one: the second is asked again.
  expect([...new Set(asked)].toSorted()).toEqual(["marketplace", "my_orders", "renter_fees", "wallets"]);
  expect(emulator.ledger().orders.filter((order) => order.ended === undefined)).toEqual([]);
});

test("a record of rentals that cannot be read does not stop a comparison, and is told once", async () => {
  await using other = await Engine.start({ emulator });
  mkdirSync(join(other.home, "ledger.jsonl"));
  const key = await other.create("SshKey", (await other.check("SshKey", {})).values);
  for (let times = 0; times < 2; times++)
    expect(await other.diff("SshKey", key.id, key.values, { comment: "a" }, { comment: "a" })).toEqual([]);
  expect(other.lines).toEqual([expect.stringMatching(/^sshkey: .*cannot be read/)]);
});

describe("a rented server", () => {
  test("is the same after another look, differs only where it was changed, and goes once", async () => {
    const checked = (await engine.check("Server", inputs)).values;
    const server = await engine.create("Server", checked);
    expect(server.values).toMatchObject({
      kind: "rented",
      serverId: 101,
      pricePerDayUsd: 1,
      reachable: true,
    });

    const before = emulator.requests.length;
    const seen = await engine.read("Server", server.id, server.values, checked);
    expect(emulator.requests.slice(before).map(({ path }) => path)).toEqual(["/v1/my_orders"]);
    expect(seen?.values).toEqual(server.values);
    expect(await engine.diff("Server", server.id, server.values, checked, checked)).toEqual([]);
    expect(
      await engine.diff("Server", server.id, server.values, checked, {
        ...checked,
        maxPricePerDay: 9,
        minRamGb: 8,
      }),
    ).toEqual(["maxPricePerDay: add", "minRamGb: add"]);
    expect(
      await engine.diff("Server", server.id, server.values, checked, { ...checked, gpu: "RTX 4090" }),
    ).toEqual(["gpu: update_replace"]);

    const updated = await engine.update("Server", server.id, server.values, {
      ...checked,
      maxPricePerDay: 9,
    });
    expect(updated.values).toMatchObject({ orderId: server.values.orderId, maxPricePerDay: 9 });

    await engine.delete("Server", server.id, server.values);
    await engine.delete("Server", server.id, server.values);
    expect(await engine.read("Server", server.id, server.values, checked)).toBeUndefined();
  });

  test("that vanished is gone at the next look, and another host key is refused", async () => {
    const server = await engine.create("Server", inputs);
    const order = emulator.active()[0]?.orderId;
    const [line] = [server.values.connection as { hostKey: string }];
    const other = { ...server.values, connection: { ...line, hostKey: generateKeyPair("x").publicKey } };
    const seen = await engine.read("Server", server.id, other, inputs);
    expect(seen?.values.reachable).toBe(false);
    expect(engine.lines.join("\n")).toMatch(/ssh\.host-key-changed/);

    await emulator.faults.order("order-vanishes", { orderId: order });
    expect(await engine.read("Server", server.id, server.values, inputs)).toBeUndefined();
    expect(engine.lines.join("\n")).toMatch(/order \d+ on server 101 is gone: the next up rents another/);
    expect(new Ledger(engine.home).entries()).toMatchObject([{ outcome: "ended" }]);
  });

  test("is not taken for gone when the listing is empty by mistake", async () => {
    const server = await engine.create("Server", inputs);
    await emulator.faults.order("empty-listing", { times: 2 });
    const failed = await failureOf(engine.read("Server", server.id, server.values, inputs));
    expect(failed.message).toMatch(/^rental\.unknown: whether order \d+ still exists cannot be told/);
    await engine.delete("Server", server.id, server.values);
  });

  test("can be imported by its order's number, and given back", async () => {
    const server = await engine.create("Server", inputs);
    const orderId = String(server.values.orderId);
    const imported = await engine.read("Server", orderId);
    expect(imported).toMatchObject({ id: `order-${orderId}`, values: { serverId: 101, kind: "rented" } });
    // Nothing that the program says of it replaces it, as long as the server satisfies it.
    const before = imported?.inputs.values ?? {};
    const changes = await engine.diff("Server", imported?.id ?? "", imported?.values ?? {}, before, inputs);
    expect(changes.filter((change) => change.includes("replace"))).toEqual([]);
    const updated = await engine.update("Server", imported?.id ?? "", imported?.values ?? {}, inputs);
    expect(updated.values).toMatchObject({ orderId: Number(orderId), reachable: true });
    await engine.delete("Server", imported?.id ?? "", updated.values);
    expect((await failureOf(engine.read("Server", "my-server"))).message).toMatch(/^rental\.bad-import-id/);
  });
});

describe("an error", () => {
  test("of a create that made nothing leaves nothing to save", async () => {
    const failed = await failureOf(engine.create("Server", { ...inputs, maxPricePerDay: 0.9 }, { secrets }));
    expect(failed.partial).toBeUndefined();
    expect(failed.message).toMatch(
      /^market\.no-offer: .*\n {2}seen: .*nearest: server 101.*\n {2}hint: set maxPricePerDay to 1\.00/,
    );
  });

  test("of a create that was cut short carries id, inputs and what is needed to go on", async () => {
    await emulator.faults.order("ssh-refused");
    const creating = failureOf(engine.create("Server", inputs, { secrets }));
    await engine.saw(/waiting for SSH: ssh\.refused/);
    const cancelled = performance.now();
    await engine.cancel();
    expect(performance.now() - cancelled).toBeLessThan(1000);
    const { partial, message } = await creating;
    expect(performance.now() - cancelled).toBeLessThan(3000);
    expect(message).toMatch(
      /order \d+ on server 101 exists and is not ready: [\s\S]*it bills 1\.00 USD per day/,
    );
    expect(partial).toMatchObject({
      id: expect.stringMatching(/^rented-[0-9a-f]{8}$/),
      inputs: { gpu: "RTX 3090", sshKey: inputs.sshKey },
      values: { orderId: emulator.active()[0]?.orderId, reachable: false },
      secrets: new Set(["sshKey", "connection"].filter((key) => key in (partial?.values ?? {}))),
    });

    // What the engine saved is enough for a later run: here to give it back.
    await engine[Symbol.asyncDispose]();
    engine = await Engine.start({ emulator, speed });
    await engine.delete("Server", partial?.id ?? "", partial?.values ?? {});
  });

  test("is resumed by the next update, with the same order", async () => {
    await emulator.faults.order("ssh-refused");
    const creating = failureOf(engine.create("Server", inputs));
    await engine.saw(/waiting for SSH: ssh\.refused/);
    await engine.cancel();
    const { partial } = await creating;
    const orderId = emulator.active()[0]?.orderId;
    await emulator.faults.order("ssh-well", { orderId });

    await engine[Symbol.asyncDispose]();
    engine = await Engine.start({ emulator, speed });
    const server = await engine.update("Server", partial?.id ?? "", partial?.values ?? {}, inputs);
    expect(server.values).toMatchObject({ orderId, serverId: 101, reachable: true });
    expect(emulator.active()).toHaveLength(1);
    await engine.delete("Server", partial?.id ?? "", server.values);
  });

  test("comes at a custom timeout too", async () => {
    await emulator.faults.order("ssh-refused");
    const started = performance.now();
    const failed = await failureOf(engine.create("Server", inputs, { timeout: 2 }));
    expect(performance.now() - started).toBeLessThan(6000);
    expect(failed.partial?.values).toMatchObject({ serverId: 101 });
    await engine.delete("Server", "x", failed.partial?.values ?? {});
  });

  test("names a missing and a wrong key, and what to do", async () => {
    await using keyless = await Engine.start({ emulator, speed, env: { CLORE_API_KEY: "" } });
    const missing = await failureOf(keyless.create("Server", inputs));
    expect(missing.message).toMatch(
      /^clore\.no-api-key: [\s\S]*hint: set CLORE_API_KEY, or run: pulumi config set --secret clore:apiKey <key>/,
    );
    const preview = await keyless.create("Server", inputs, { preview: true });
    expect(preview.values.kind).toBe("rented");

    await using wrong = await Engine.start({ emulator, speed, config: { apiKey: "w".repeat(32) } });
    const refused = await failureOf(wrong.create("Server", inputs));
    expect(refused.message).toMatch(/^clore\.invalid-token: /);
    expect(refused.message).not.toContain("w".repeat(32));
    expect(refused.partial).toBeUndefined();
  });
});

describe("the plugin's process", () => {
  test("ends when the engine says so", async () => {
    const gone = once(engine.plugin, "exit");
    engine.plugin.kill("SIGINT");
    expect(await gone).toEqual([0, null]);
  });

  test("ends when its parent was killed", async () => {
    const home = mkdtempSync(join(tmpdir(), "clore-orphan-"));
    const parent = spawn(
      process.execPath,
      [
        "-e",
        `const child = require("node:child_process").spawn(process.argv[1], ["127.0.0.1:1"], { stdio: ["ignore", "pipe", "inherit"] });
         child.stdout.once("data", () => console.log(child.pid));
         setInterval(() => {}, 1000);`,
        pluginPath,
      ],
      { env: pluginEnv(home, { emulator }), stdio: ["ignore", "pipe", "inherit"] },
    );
    const [pid] = (await once(parent.stdout.setEncoding("utf8"), "data")) as [string];
    expect(isRunning(Number(pid))).toBe(true);
    parent.kill("SIGKILL");
    for (let waited = 0; waited < 5000 && isRunning(Number(pid)); waited += 50) await delay(50);
    expect(isRunning(Number(pid))).toBe(false);
    rmSync(home, { recursive: true, force: true });
  });
});
