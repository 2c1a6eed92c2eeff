import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { compileCache } from "../compile-cache.ts";
import { type Driver, type DriverSettings, ordersIn, type Victim } from "./driver.ts";
import type { Run } from "./engine.ts";
import type { ServerSpec } from "./program.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));

/** The real Pulumi CLI, with a file backend of its own, the plugin of bin/, and a program that reads what to make. */
export class CliDriver implements Driver {
  readonly #settings: DriverSettings;
  readonly #folder = mkdtempSync(join(tmpdir(), "clore-cli-"));
  #running: ChildProcess | undefined;
  #struck: Victim | undefined;

  private constructor(settings: DriverSettings) {
    this.#settings = settings;
    mkdirSync(join(this.#folder, "backend"));
    symlinkSync(join(root, "node_modules"), join(this.#folder, "node_modules"));
    const project = {
      name: "faults",
      main: "index.ts",
      runtime: { name: "nodejs", options: { typescript: false } },
      plugins: { providers: [{ name: "clore", path: join(root, "bin") }] },
    };
    writeFileSync(join(this.#folder, "package.json"), JSON.stringify({ type: "module" }));
    writeFileSync(join(this.#folder, "Pulumi.yaml"), JSON.stringify(project));
    writeFileSync(join(this.#folder, "index.ts"), program);
  }

  /** Makes project and stack. */
  static async start(settings: DriverSettings): Promise<CliDriver> {
    const driver = new CliDriver(settings);
    await driver.#init();
    return driver;
  }

  async #init(): Promise<void> {
    const ran = await this.#pulumi(["stack", "init"]);
    if (!ran.ok) throw new Error(ran.errors.join("\n"));
    const lines = Object.entries(this.#settings.config).map(
      ([key, value]) => `  clore:${key}: ${JSON.stringify(value)}`,
    );
    const path = join(this.#folder, "Pulumi.dev.yaml");
    writeFileSync(path, `${readFileSync(path, "utf8").trimEnd()}\nconfig:\n${lines.join("\n")}\n`);
  }

  up(servers: readonly ServerSpec[]): Promise<Run> {
    writeFileSync(join(this.#folder, "servers.json"), JSON.stringify(servers));
    return this.#pulumi(["up", ...quietly]);
  }

  refresh(): Promise<Run> {
    return this.#pulumi(["refresh", ...quietly]);
  }

  destroy(): Promise<Run> {
    return this.#pulumi(["destroy", ...quietly]);
  }

  async unlock(): Promise<void> {
    const ran = await this.#pulumi(["cancel", "--yes"]);
    if (!ran.ok) throw new Error(ran.errors.join("\n"));
  }

  strike(victim: Victim): Promise<void> | undefined {
    this.#struck = victim;
    const engine = this.#running?.pid;
    if (engine === undefined) return undefined;
    const [plugin] = below(engine, "provider/main");
    if (victim === "ctrl-c") this.#running?.kill("SIGINT");
    else if (victim === "engine") {
      const hosts = languageHosts(engine);
      this.#running?.kill("SIGKILL");
      for (const host of hosts) end(host);
    } else if (plugin !== undefined) process.kill(plugin, "SIGKILL");
    return plugin === undefined ? undefined : endOf(plugin);
  }

  recorded(): ReadonlyMap<string, number> {
    return ordersIn(this.#resources().map((one) => ({ ...one, condemned: one.delete })));
  }

  left(): readonly string[] {
    return this.#resources()
      .filter(({ type }) => type.startsWith("clore:"))
      .map(({ urn }) => urn);
  }

  async close(): Promise<void> {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #resources() {
    return this.#deployment().resources ?? [];
  }

  /** The backend's own file: quicker than the CLI, and readable while the stack is locked. */
  #deployment(): Deployment {
    const path = join(this.#folder, "backend", ".pulumi", "stacks", "faults", "dev.json");
    const file = JSON.parse(readFileSync(path, "utf8")) as { checkpoint: { latest?: Deployment } };
    return file.checkpoint.latest ?? {};
  }

  async #pulumi(args: readonly string[]): Promise<Run> {
    this.#struck = undefined;
    const { env } = this.#settings;
    const child = spawn("pulumi", [...args, "--stack", "dev", "--non-interactive", "--color", "never"], {
      cwd: this.#folder,
      env: {
        ...env,
        PATH: [join(root, "node_modules", ".bin"), env.PATH].join(delimiter),
        ...compileCache,
        PULUMI_BACKEND_URL: `file://${join(this.#folder, "backend")}`,
        PULUMI_HOME: join(this.#folder, "home"),
        PULUMI_CONFIG_PASSPHRASE: "test",
        PULUMI_SKIP_UPDATE_CHECK: "1",
        PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "1",
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#running = child;
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (piece: string) => {
        output += piece;
      });
    const closed = once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>;
    const [code] = await closed;
    this.#running = undefined;
    const killed = this.#struck === "engine";
    return { ok: code === 0, killed, errors: code === 0 || killed ? [] : [output], said: [output] };
  }
}

const quietly = ["--yes", "--skip-preview", "--suppress-permalink=true"];

interface Deployment {
  resources?: { urn: string; type: string; outputs?: object; delete?: boolean }[];
}

const program = `
import { readFileSync } from "node:fs";
import { Server } from ${JSON.stringify(join(root, "src/resources/server.ts"))};
import { SshKey } from ${JSON.stringify(join(root, "src/resources/ssh-key.ts"))};

const keys = new Map();
for (const { name, key = "key", spot, service, ...rest } of JSON.parse(readFileSync("servers.json", "utf8"))) {
  if (!keys.has(key)) keys.set(key, new SshKey(key));
  new Server(name, { ...rest, sshKey: keys.get(key), minReliability: 0, minDiskGb: 1, bootMinutes: 0.1, acquireMinutes: 2, market: spot ? "spot" : "on-demand" });
}
`;

/** A process's children, by what stands in their command lines. */
function below(parent: number, command: string): number[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name) || !read(`/proc/${name}/cmdline`).includes(command)) return [];
    const ppid = Number(/^PPid:\s+(\d+)$/m.exec(read(`/proc/${name}/status`))?.[1]);
    return ppid === parent ? [Number(name)] : [];
  });
}

/** With their programs. One that has lost its engine waits for ever, with the engine's output open. */
function languageHosts(engine: number): number[] {
  return below(engine, "pulumi-language-nodejs").flatMap((host) => [...below(host, ""), host]);
}

function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

/** Resolves when the process has ended; it is none of our children. */
async function endOf(pid: number): Promise<void> {
  while (/^State:\s+[^ZX]/m.test(read(`/proc/${pid}/status`))) await delay(20);
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
