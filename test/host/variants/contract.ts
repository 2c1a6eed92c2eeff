import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Variant } from "../../../src/emulator/machines/image.ts";
import { readFacts } from "../../../src/host/facts.ts";
import { removeAll } from "../../../src/host/layout.ts";
import { chooseMode } from "../../../src/host/mode.ts";
import {
  applyService,
  observeService,
  planService,
  type ServiceSeen,
  type ServiceSpec,
  serviceLogs,
} from "../../../src/host/service.ts";
import { chooseSupervisor, type Supervisor } from "../../../src/host/supervisor.ts";
import type { HostFacts } from "../../../src/host/types.ts";
import type { SshConnection } from "../../../src/ssh/types.ts";
import { startVariant, type VariantHost } from "../../support/variants.ts";

/** What one kind of host is, and what follows from it. */
export interface HostKind {
  variant: Variant;
  facts: Partial<HostFacts>;
  /** Why `auto` gives native. */
  because: string;
  supervisor: Supervisor;
}

const word: ServiceSpec = {
  name: "word",
  command: ["sh", "-c", "echo up as $$ $WORD; exec sleep 100000"],
  env: { WORD: "it's fine" },
  stopTimeoutSeconds: 2,
  health: { command: ["true"], timeoutSeconds: 20 },
};

/** One contract for all kinds of hosts: what is promised of a supervised service holds on each. */
export function describeKind({ variant, facts, because, supervisor }: HostKind): void {
  describe(`on a host of kind ${variant}`, () => {
    let host: VariantHost;
    let before: string;
    beforeAll(async () => {
      host = await startVariant(variant);
      before = await everyFile(host.ssh);
    });
    afterAll(() => host[Symbol.asyncDispose]());
    const look = () => observeService(host.ssh, word.name);

    test("the facts are right, and auto chooses native with its reason", async () => {
      const seen = await readFacts(host.ssh);
      expect(seen).toMatchObject({
        os: { id: "debian", version: "12" },
        user: "root",
        home: "/root",
        isRoot: true,
        gpus: [{ name: "NVIDIA GeForce RTX 3090", vramGb: 24 }],
        docker: { cli: false, works: false, socket: undefined },
        nodeVersion: undefined,
        ...facts,
      });
      expect(chooseMode("auto", seen)).toEqual({ mode: "native", because });
      expect(chooseSupervisor(seen)).toBe(supervisor);
    });

    test("a service starts, survives the loss of the session, and its log can be read", async () => {
      const made = await ensure(host.ssh, supervisor);
      expect(made).toMatchObject({ running: true, provenHealthy: true, restarts: 0 });
      await host.cutLine();
      expect(await look()).toMatchObject({ running: true, pid: made!.pid });
      expect(await serviceLogs(host.ssh, word.name, 10)).toBe(`up as ${made!.pid} it's fine\n`);
      expect(await ensure(host.ssh, supervisor)).toBeUndefined();
    });

    test("killed, it is started again, with a longer pause the second time", async () => {
      const first = await kill(host.ssh, await look());
      expect(first).toMatchObject({ restarts: 1, lastExit: 137 });
      const start = performance.now();
      expect(await kill(host.ssh, first)).toMatchObject({ restarts: 2 });
      expect(performance.now() - start).toBeGreaterThan(1900);
    });

    test("after a restart of the container it comes back by itself", async () => {
      await host.reboot();
      expect(await eventually(look, (seen) => seen.running)).toMatchObject({ running: true, restarts: 0 });
      expect(await serviceLogs(host.ssh, word.name, 10)).toMatch(/(up as \d+ it's fine\n){4}/);
      expect(await ensure(host.ssh, supervisor)).toBeUndefined();
    });

    test("everything is removed without a trace, and a second time is success too", async () => {
      await removeAll(host.ssh);
      await removeAll(host.ssh);
      // What was told to end may take a moment, and what a starting system writes too.
      await expect.poll(() => everyFile(host.ssh), { timeout: 5_000 }).toBe(before);
      const left = () => run(host.ssh, "ps -eo args | grep -E 'pulumi-[c]lore|sleep [1]00000' || true");
      await expect.poll(left, { timeout: 5_000 }).toBe("");
    });
  });
}

/** What a handler does. */
async function ensure(ssh: SshConnection, supervisor: Supervisor): Promise<ServiceSeen | undefined> {
  return applyService(ssh, planService(word, await observeService(ssh, word.name), supervisor));
}

/** Kills the process and waits for the next one. */
async function kill(ssh: SshConnection, { pid }: ServiceSeen): Promise<ServiceSeen> {
  await run(ssh, `kill -9 ${pid}`);
  return eventually(
    () => observeService(ssh, word.name),
    (seen) => seen.running && seen.pid !== pid,
  );
}

async function eventually(
  read: () => Promise<ServiceSeen>,
  good: (seen: ServiceSeen) => boolean,
): Promise<ServiceSeen> {
  for (let tries = 0; ; tries++) {
    const seen = await read();
    if (good(seen) || tries > 100) return seen;
    await delay(100);
  }
}

/**
 * Names of all files but those that the system itself writes, and what is in its configuration; without
 * /etc/hosts, which Docker writes anew at every start, with the address that is free at that moment.
 */
function everyFile(ssh: SshConnection): Promise<string> {
  const others = ["/proc", "/sys", "/run", "/dev", "/tmp", "/var/tmp", "/var/log", "/var/lib/systemd"];
  const pruned = others.map((path) => `-path ${path} -prune -o`).join(" ");
  return run(
    ssh,
    `find / -xdev ${pruned} -print | sort; find /etc -type f ! -path /etc/hosts -exec cksum {} + | sort`,
  );
}

/** The output of a command that must succeed. */
export async function run(ssh: SshConnection, command: string): Promise<string> {
  const { exitCode, stdout, stderr } = await ssh.exec(command, { timeoutMs: 60_000 });
  if (exitCode !== 0) throw new Error(`${command}: exit code ${exitCode}: ${stderr}`);
  return stdout;
}
