import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface ServerInState {
  name?: string;
  orderId?: number;
  serverId?: number;
  account?: string;
  certain?: boolean;
  lease?: string;
  leaseEndsAt?: string;
  waitsForDeletion?: boolean;
}

/** A real file backend with stacks of our making. Give its `env` to what is to read it. */
export class FileBackend implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "clore-backend-"));
  readonly env: Record<string, string>;

  constructor() {
    for (const name of ["backend", "home"]) mkdirSync(join(this.folder, name));
    this.env = {
      PATH: process.env.PATH ?? "",
      HOME: this.folder,
      PULUMI_BACKEND_URL: `file://${join(this.folder, "backend")}`,
      PULUMI_HOME: join(this.folder, "home"),
    };
  }

  /** Makes a stack that owns these servers. Gives its full name. */
  stack(project: string, stack: string, servers: readonly ServerInState[]): string {
    const cwd = join(this.folder, project);
    mkdirSync(cwd, { recursive: true });
    writeFileSync(join(cwd, "Pulumi.yaml"), `name: ${project}\nruntime: yaml\n`);
    this.#pulumi(cwd, ["stack", "init", stack, "--non-interactive"]);
    this.write(project, stack, servers);
    return `organization/${project}/${stack}`;
  }

  /** Writes another state into a stack's file, as an update does. `pending`: operations on Servers that are under way. */
  write(
    project: string,
    stack: string,
    servers: readonly ServerInState[],
    pending: readonly { name: string; type: string }[] = [],
  ): void {
    const file = join(this.folder, "backend", ".pulumi", "stacks", project, `${stack}.json`);
    const saved = JSON.parse(readFileSync(file, "utf8"));
    const urn = (type: string, name: string) => `urn:pulumi:${stack}::${project}::${type}::${name}`;
    const provider = urn("pulumi:providers:clore", "default");
    saved.checkpoint.latest.resources = [
      { urn: urn("pulumi:pulumi:Stack", `${project}-${stack}`), custom: false, type: "pulumi:pulumi:Stack" },
      { urn: provider, custom: true, id: "p", type: "pulumi:providers:clore" },
      ...servers.map((server) => resourceOf(server, urn, `${provider}::p`)),
    ];
    saved.checkpoint.latest.pending_operations = pending.map(({ name, type }) => ({
      type,
      resource: {
        urn: urn("clore:index:Server", name),
        custom: true,
        type: "clore:index:Server",
        provider: `${provider}::p`,
      },
    }));
    writeFileSync(file, JSON.stringify(saved));
  }

  #pulumi(cwd: string, args: readonly string[]): string {
    const env = { ...this.env, PULUMI_CONFIG_PASSPHRASE: "test", PULUMI_SKIP_UPDATE_CHECK: "1" };
    return execFileSync("pulumi", args, { cwd, env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function resourceOf(server: ServerInState, urn: (type: string, name: string) => string, provider: string) {
  const { name = "gpu", serverId = 100, account = "account", certain = true, lease = "8h" } = server;
  const { orderId, leaseEndsAt } = server;
  const rental = {
    intentId: "intent",
    image: "image",
    market: "on-demand",
    account,
    serverId,
    orderId,
    certain,
    currency: "USD-Blockchain",
    pricePerDay: 2,
    pricePerDayUsd: 2,
  };
  return {
    urn: urn("clore:index:Server", name),
    custom: true,
    id: `rented-${name}-${orderId}`,
    type: "clore:index:Server",
    delete: server.waitsForDeletion,
    inputs: { lease },
    outputs: { kind: "rented", orderId, serverId, rental, leaseEndsAt },
    provider,
  };
}
