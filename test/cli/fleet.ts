import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Account, openAccount } from "../../src/cli/account.ts";
import type { CommandIo } from "../../src/cli/command.ts";
import { main } from "../../src/cli/main.ts";
import { type Emulator, startEmulator } from "../../src/emulator/server.ts";
import type { Intent } from "../../src/ledger/ledger.ts";
import { FileBackend } from "../backend/support.ts";

const speed = 200;

/** An emulated account beside a real file backend, and the command line on top of both. */
export class Fleet implements AsyncDisposable {
  readonly clore: Emulator;
  readonly backend: FileBackend;
  readonly env: Record<string, string>;
  readonly account: Account;

  private constructor(clore: Emulator, backend: FileBackend) {
    this.clore = clore;
    this.backend = backend;
    this.env = {
      ...this.backend.env,
      CLORE_API_URL: clore.apiUrl,
      CLORE_API_KEY: clore.apiKey,
      CLORE_HOME: mkdtempSync(join(backend.folder, "clore-")),
      CLORE_EMULATOR_SPEED: String(speed),
    };
    this.account = openAccount(this.io([], []));
  }

  /** @param backend one that is kept; without it the fleet gets its own, to be disposed of */
  static async start(backend = new FileBackend()): Promise<Fleet> {
    const market = [100, 101, 102, 103, 104].map((id) => ({ id }));
    return new Fleet(await startEmulator({ machines: "none", marketSize: 0, market, speed }), backend);
  }

  io(out: string[], err: string[], change: Partial<CommandIo> = {}): CommandIo {
    const signal = new AbortController().signal;
    return { out: (line) => out.push(line), err: (line) => err.push(line), env: this.env, signal, ...change };
  }

  /** Runs `clore …` in this process. */
  async run(
    line: string,
    change: Partial<CommandIo> = {},
  ): Promise<{ code: number; out: string; err: string }> {
    const [out, err]: [string[], string[]] = [[], []];
    const code = await main(line.split(" "), this.io(out, err, change));
    return { code, out: out.join("\n"), err: err.join("\n") };
  }

  /** Rents a server and waits until it is listed. Gives the order's id. */
  async rent(serverId: number, currency: "USD-Blockchain" | "bitcoin" = "USD-Blockchain"): Promise<number> {
    await this.account.clore.createOrder({ serverId, market: "on-demand", currency, image: "image" });
    for (;;) {
      const order = (await this.account.clore.myOrders()).find((one) => one.serverId === serverId);
      if (order) return order.orderId;
      await delay(5);
    }
  }

  /** An intent of this machine's ledger. `pid`: of the process that made it. */
  intend(change: Partial<Intent> = {}): string {
    return this.account.ledger.intend({
      account: this.account.account,
      urn: "urn:pulumi:dev::proxy::clore:index:Server::gpu",
      keyFingerprint: "SHA256:abc",
      serverId: 100,
      image: "image",
      market: "on-demand",
      currency: "USD-Blockchain",
      pricePerDay: 3.5,
      pricePerDayUsd: 3.5,
      ...change,
    });
  }

  live(): number[] {
    return this.clore.active().map((order) => order.orderId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.account[Symbol.dispose]();
    await this.clore.close();
    rmSync(this.env.CLORE_HOME ?? "", { recursive: true, force: true });
  }
}
