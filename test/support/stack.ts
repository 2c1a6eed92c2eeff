import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { bundleProxy } from "../../tools/bundle.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

export interface StackOptions {
  /** @default "gemini-proxy" */
  name?: string;
  /** The stack's configuration, without `pulumi-clore:`. */
  config: Readonly<Record<string, unknown>>;
  /** For the CLI, the program and the plugin. */
  env: Readonly<Record<string, string>>;
}

export interface Ran {
  exitCode: number;
  /** What the user saw, both streams. */
  output: string;
  seconds: number;
}

interface Resource {
  urn: string;
  type: string;
  id?: string;
  inputs: Record<string, unknown>;
  outputs: Record<string, unknown>;
}

/**
 * A stack of this project driven by the real CLI: in a copy of the sources (so that a test can deploy another
 * version), with a file backend, a ledger and an environment of its own.
 */
export class Stack implements AsyncDisposable {
  readonly #name: string;
  readonly #folder = mkdtempSync(join(tmpdir(), "clore-stack-"));
  readonly #env: Record<string, string>;

  private constructor({ name = "gemini-proxy", env }: StackOptions) {
    this.#name = name;
    writeFileSync(join(this.#folder, "passphrase"), "test");
    // Nothing of the developer's own account or keys may leak into a test.
    const inherited = Object.entries(process.env).filter(
      ([key]) => !/^(CLORE_(?!TEST)|PULUMI_|GOOGLE_|COMETAPI_)/.test(key),
    );
    this.#env = {
      ...(Object.fromEntries(inherited) as Record<string, string>),
      PATH: [join(root, "node_modules", ".bin"), process.env.PATH].join(delimiter),
      PULUMI_BACKEND_URL: `file://${join(this.#folder, "backend")}`,
      PULUMI_HOME: join(this.#folder, "home"),
      PULUMI_CONFIG_PASSPHRASE_FILE: join(this.#folder, "passphrase"),
      PULUMI_SKIP_UPDATE_CHECK: "1",
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "1",
      CLORE_HOME: this.home,
      ...env,
    };
  }

  /** Copies the sources and makes the stack. */
  static async create(options: StackOptions): Promise<Stack> {
    await bundleProxy();
    const stack = new Stack(options);
    mkdirSync(join(stack.#folder, "backend"));
    // With their times: the plugin's bundle is used while it is the newest.
    for (const part of ["src", "stacks", "templates", "dist", "bin", "package.json"])
      cpSync(join(root, part), join(stack.#folder, part), { recursive: true, preserveTimestamps: true });
    symlinkSync(join(root, "node_modules"), join(stack.#folder, "node_modules"));
    const project = {
      name: "pulumi-clore",
      main: "stacks/index.ts",
      stackConfigDir: ".",
      runtime: { name: "nodejs", options: { typescript: false } },
      plugins: { providers: [{ name: "clore", path: "./bin" }] },
    };
    writeFileSync(join(stack.#folder, "Pulumi.yaml"), JSON.stringify(project));
    stack.configure(options.config);
    await stack.#must(["stack", "init", stack.#name]);
    return stack;
  }

  /** Where the plugin keeps ledger, gate and memory of hosts. */
  get home(): string {
    return join(this.#folder, "clore");
  }

  /** Sets the whole configuration. */
  configure(config: Readonly<Record<string, unknown>>): void {
    const lines = Object.entries(config)
      .filter(([, value]) => value !== undefined)
      .map(
        ([key, value]) => `  ${key.includes(":") ? key : `pulumi-clore:${key}`}: ${JSON.stringify(value)}`,
      );
    const path = join(this.#folder, `Pulumi.${this.#name}.yaml`);
    // The salt of the stack's secrets stands in the same file.
    const salt = /^encryptionsalt: .*$/m.exec(readIfThere(path))?.[0];
    writeFileSync(
      path,
      [...(salt ? [salt] : []), lines.length > 0 ? "config:" : "config: {}", ...lines, ""].join("\n"),
    );
  }

  /** Changes what is deployed as the proxy. */
  changeBundle(change: (text: string) => string): void {
    const path = join(this.#folder, "dist", "proxy.mjs");
    writeFileSync(path, change(readFileSync(join(root, "dist", "proxy.mjs"), "utf8")));
  }

  /** Runs the CLI on this stack; a failure is a result. */
  run(command: string, ...args: string[]): Promise<Ran> {
    return this.#run([command, ...args]);
  }

  /** As `run`, with one Ctrl-C as soon as the output fits. */
  interrupted(at: RegExp, command: string, ...args: string[]): Promise<Ran> {
    return this.#run([command, ...args], at);
  }

  up(...args: string[]): Promise<Ran> {
    return this.run("up", "--yes", "--skip-preview", "--suppress-permalink=true", ...args);
  }

  destroy(): Promise<Ran> {
    return this.run("destroy", "--yes", "--skip-preview", "--suppress-permalink=true");
  }

  /** Outputs, secrets in clear. */
  async outputs<T = Record<string, unknown>>(): Promise<T> {
    return JSON.parse(
      await this.#must(["stack", "output", "--json", "--show-secrets", "--stack", this.#name]),
    ) as T;
  }

  /** Everything in the state but the stack itself and providers. */
  async resources(): Promise<Resource[]> {
    const text = await this.#must(["stack", "export", "--show-secrets", "--stack", this.#name]);
    const { deployment } = JSON.parse(text) as { deployment: { resources?: Resource[] } };
    return (deployment.resources ?? []).filter(({ type }) => !type.startsWith("pulumi:"));
  }

  /** The state as it lies on the disk. */
  async stateText(): Promise<string> {
    return this.#must(["stack", "export", "--stack", this.#name]);
  }

  /** Removes the folder. Takes down what is left first, so that a failed test leaves nothing either. */
  async [Symbol.asyncDispose](): Promise<void> {
    const ran = await this.destroy();
    rmSync(this.#folder, { recursive: true, force: true });
    if (ran.exitCode !== 0) throw new Error(`the stack could not be taken down:\n${ran.output}`);
  }

  async #run(args: string[], interruptAt?: RegExp): Promise<Ran> {
    const started = performance.now();
    // A Ctrl-C goes to the whole group of a terminal; the plugin has a group of its own and hears it from the engine.
    const child = execa("pulumi", [...args, "--stack", this.#name], {
      cwd: this.#folder,
      env: this.#env,
      extendEnv: false,
      reject: false,
      stdin: "ignore",
      all: true,
      buffer: true,
    });
    let seen = "";
    let interrupted = false;
    child.all.on("data", (piece: Buffer) => {
      seen += piece.toString();
      if (interrupted || !interruptAt?.test(seen)) return;
      interrupted = true;
      child.kill("SIGINT");
    });
    const { exitCode, all } = await child;
    return { exitCode: exitCode ?? -1, output: all, seconds: (performance.now() - started) / 1000 };
  }

  async #must(args: string[]): Promise<string> {
    const { stdout } = await execa("pulumi", args, {
      cwd: this.#folder,
      env: this.#env,
      extendEnv: false,
      stdin: "ignore",
    });
    return stdout;
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
