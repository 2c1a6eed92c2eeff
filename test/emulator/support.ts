import { connect as dial } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import ssh2 from "ssh2";
import type { Clock } from "../../src/core/clock.ts";
import { type Emulator, type EmulatorOptions, startEmulator } from "../../src/emulator/server.ts";
import { newKeyPair } from "../support/machines.ts";

/** A clock that stands still until told. Sleeping moves it. */
export class StandingClock implements Clock {
  #now = 1_783_700_000_000;
  now(): number {
    return this.#now;
  }
  async sleep(ms: number): Promise<void> {
    this.#now += ms;
  }
  advance(seconds: number): void {
    this.#now += seconds * 1000;
  }
}

export interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: answers are checked field by field
  body: any;
}

/** A plain HTTP client of one emulator, with a key pair for its orders. */
export class Renter {
  readonly emulator: Emulator;
  readonly keys = newKeyPair();
  /** Before each call, so that the rate is kept. */
  pace: () => Promise<void> | void = () => {};

  constructor(emulator: Emulator) {
    this.emulator = emulator;
  }

  async call(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Answer> {
    await this.pace();
    const response = await fetch(this.emulator.apiUrl + path, {
      method,
      headers: headers ?? { auth: this.emulator.apiKey },
      body: body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, body: text.startsWith("{") ? JSON.parse(text) : text };
  }

  get(path: string): Promise<Answer> {
    return this.call("GET", path);
  }

  post(path: string, body: unknown): Promise<Answer> {
    return this.call("POST", path, body);
  }

  rent(serverId: number, change: Record<string, unknown> = {}): Promise<Answer> {
    return this.post("/create_order", {
      currency: "USD-Blockchain",
      image: "cloreai/jupyter:ubuntu24.04-v2",
      renting_server: serverId,
      type: "on-demand",
      ports: { "22": "tcp", "8080": "http" },
      ssh_key: this.keys.publicKey,
      ...change,
    });
  }

  async orders(): Promise<Answer["body"][]> {
    return (await this.get("/my_orders")).body.orders;
  }
}

/** An emulator without machines whose time only moves between calls: six seconds before each, so no limit is ever met. */
export async function standing(
  options: EmulatorOptions = {},
): Promise<{ renter: Renter; clock: StandingClock }> {
  const clock = new StandingClock();
  const renter = new Renter(
    await startEmulator({ machines: "none", marketSize: 0, market: [{ id: 100 }], clock, ...options }),
  );
  renter.pace = () => clock.advance(6);
  return { renter, clock };
}

/** An emulator with machines, 20 times as fast, and calls that keep its pace. */
export async function living(options: EmulatorOptions = {}): Promise<Renter> {
  const renter = new Renter(
    await startEmulator({ marketSize: 0, market: [{ id: 100 }], speed: 20, ...options }),
  );
  renter.pace = () => delay(55);
  return renter;
}

/** Rents and waits until the container is up. Gives the my_orders row. */
export async function rentAndWait(renter: Renter, serverId = 100, change: Record<string, unknown> = {}) {
  await delay(260); // a create per five (emulated) seconds
  const answer = await renter.rent(serverId, change);
  if (answer.body.code !== 0) throw new Error(JSON.stringify(answer));
  for (let look = 0; look < 600; look++) {
    const order = (await renter.orders()).find((one) => one.si === serverId);
    if (order?.mon_container === 1) return order;
  }
  throw new Error(`not up: ${JSON.stringify(renter.emulator.ledger())}`);
}

export interface SshAnswer {
  code: number | null;
  signal?: string;
  stdout: string;
  stderr: string;
}

/** One SSH connection. Rejects with ssh2's error when it cannot be had. */
export function connect(to: {
  port: number;
  privateKey: string;
  username?: string;
  timeoutMs?: number;
}): Promise<ssh2.Client & { hostKey: string }> {
  return new Promise((resolve, reject) => {
    const client = new ssh2.Client() as ssh2.Client & { hostKey: string };
    client
      .on("ready", () => resolve(client))
      .on("error", reject)
      .on("close", () => reject(new Error("closed before it was ready")))
      .connect({
        sock: dial({ host: "127.0.0.1", port: to.port, noDelay: true }), // ssh2's own socket waits for Nagle
        username: to.username ?? "root",
        privateKey: to.privateKey,
        readyTimeout: to.timeoutMs ?? 8000,
        hostVerifier: (key: Buffer) => {
          client.hostKey = key.toString("base64");
          return true;
        },
      });
  });
}

/** Runs one command on an open connection. */
export function exec(client: ssh2.Client, command: string, input?: string): Promise<SshAnswer> {
  return new Promise((resolve, reject) => {
    client.exec(command, (error, channel) => {
      if (error) return reject(error);
      const answer: SshAnswer = { code: null, stdout: "", stderr: "" };
      channel.on("data", (data: Buffer) => {
        answer.stdout += data;
      });
      channel.stderr.on("data", (data: Buffer) => {
        answer.stderr += data;
      });
      channel.on("exit", (code: number | null, signal?: string) => {
        answer.code = code;
        answer.signal = signal;
      });
      channel.on("close", () => resolve(answer));
      channel.end(input ?? "");
    });
  });
}

/** Connects, runs, and hangs up. */
export async function run(
  to: { port: number; privateKey: string },
  command: string,
  input?: string,
): Promise<SshAnswer> {
  const client = await connect(to);
  try {
    return await exec(client, command, input);
  } finally {
    client.end();
  }
}

/** The public SSH port of a my_orders row. */
export function sshPort(order: { tcp_ports: string[] }): number {
  return Number(order.tcp_ports.find((one) => one.startsWith("22:"))!.split(":")[1]);
}
