import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "../../src/core/log.ts";
import { type Emulator, type EmulatorOptions, startEmulator } from "../../src/emulator/server.ts";
import { configure, type PluginContext } from "../../src/provider/context.ts";
import type { Call } from "../../src/provider/handler.ts";
import type { ServerInputs } from "../../src/provider/server-inputs.ts";
import { generateKeyPair, type KeyPair } from "../../src/ssh/keypair.ts";

const speed = 20;

/** One emulated account, and machines from which plugin processes use it. */
export interface Ground extends AsyncDisposable {
  clore: Emulator;
  /** A plugin process; `machine` names whose ledger it has. */
  plugin(machine?: string, config?: Record<string, string>): PluginContext;
  /** Orders that bill, by id. */
  live(): number[];
  /** Endpoints that were asked and answered, in order; what came too early for the service's pace left out. */
  answered(): string[];
}

/** An emulator 20 times as fast with three servers, the cheapest first. */
export async function ground(options: EmulatorOptions = {}): Promise<Ground> {
  const homes = mkdtempSync(join(tmpdir(), "clore-adoption-"));
  const clore = await startEmulator({
    marketSize: 0,
    market: [{ id: 100 }, { id: 101 }, { id: 102 }],
    speed,
    stateDir: homes,
    ...options,
  });
  const plugins: PluginContext[] = [];
  return {
    clore,
    plugin(machine = "laptop", config = {}) {
      const plugin = configure({
        config: { apiUrl: clore.apiUrl, apiKey: clore.apiKey, ...config },
        env: { CLORE_HOME: join(homes, machine), CLORE_EMULATOR_SPEED: String(speed) },
        log: silentLog,
      });
      plugins.push(plugin);
      return plugin;
    },
    live: () => clore.active().map((order) => order.orderId),
    answered: () =>
      clore.requests.flatMap(({ path, status }) => (status === 429 ? [] : (path.split("/").at(-1) ?? []))),
    async [Symbol.asyncDispose]() {
      await Promise.all(plugins.map((plugin) => plugin.close()));
      await clore.close();
      rmSync(homes, { recursive: true, force: true });
    },
  };
}

export const urnOf = (type: string, name: string, stack = "dev") =>
  `urn:pulumi:${stack}::project::clore:index:${type}::${name}`;

/** A call of the engine. `said` collects what the user sees. */
export function callOf(plugin: PluginContext, urn: string, said: string[] = []): Call {
  const say = (message: string) => void said.push(message);
  const log = { ...silentLog, info: say, warn: say };
  return { urn, name: urn.split("::").at(-1) ?? "", log, signal: new AbortController().signal, plugin };
}

export const key: KeyPair = generateKeyPair("ours");

export function wanted(of: KeyPair = key): ServerInputs {
  return {
    sshKey: { publicKey: of.publicKey, privateKey: of.privateKey },
    lease: "8h",
    minReliability: 0,
    minDiskGb: 1,
  };
}

export interface Lost {
  urn?: string;
  serverId?: number;
  of?: KeyPair;
  /** How far the run had come when it was killed. @default "sent" */
  until?: "intent" | "sent" | "accepted" | "seen";
}

const image = "cloreai/jupyter:ubuntu24.04-v2";

/** What a run leaves that is killed in the middle of a create. Gives the order's id, if there is one. */
export async function lostRun(plugin: PluginContext, lost: Lost = {}): Promise<number | undefined> {
  const { urn = urnOf("Server", "gpu"), serverId = 101, of = key, until = "sent" } = lost;
  const intentId = plugin.ledger.intend({
    account: plugin.account(),
    urn,
    keyFingerprint: of.fingerprint,
    serverId,
    image,
    market: "on-demand",
    currency: "USD-Blockchain",
    pricePerDay: 3.5,
    pricePerDayUsd: 3.5,
  });
  if (until === "intent") return undefined;
  await plugin.clore.createOrder({
    serverId,
    market: "on-demand",
    currency: "USD-Blockchain",
    image,
    ports: { 22: "tcp" },
    sshPublicKey: of.publicKey,
  });
  if (until === "accepted") plugin.ledger.conclude(intentId, { outcome: "accepted" });
  for (;;) {
    const order = (await plugin.clore.myOrders()).find((one) => one.serverId === serverId);
    if (!order) continue;
    if (until === "seen")
      plugin.ledger.conclude(intentId, { outcome: "order", orderId: order.orderId, certain: true });
    return order.orderId;
  }
}
