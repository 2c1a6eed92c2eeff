import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sandboxMachines } from "../../../src/emulator/machines/sandbox.ts";
import type { MachineKind, MachineSpec } from "../../../src/emulator/machines/types.ts";

const first: MachineSpec = {
  orderId: 0,
  serverId: 0,
  image: "",
  gpus: [],
  sshKey: undefined,
  sshPassword: undefined,
  ports: [],
  env: {},
  command: undefined,
  diskFull: false,
};

export interface SharedMachines extends AsyncDisposable {
  /** A kind for one emulator. `onStep` is told of connections and commands as the host sees them. */
  kind(onStep: (step: string) => void): MachineKind;
}

/** Sandbox machines for many emulators of one process: what they share is made once. */
export async function sharedMachines(): Promise<SharedMachines> {
  const folder = await mkdtemp(join(tmpdir(), "clore-faults-"));
  const listeners = new WeakMap<MachineSpec, (step: string) => void>();
  const machines = sandboxMachines(folder, (spec) => listeners.get(spec)?.("command"));
  // The first machine links every command of this machine: an order that waits for that is a slow one.
  await (await machines.start(first)).end();
  return {
    kind: (onStep) => ({
      name: "sandbox",
      async start(given) {
        const spec = { ...given };
        listeners.set(spec, onStep);
        const machine = await machines.start(spec);
        const target = machine.target.bind(machine);
        machine.target = (port) => {
          if (port === 22) onStep("connect"); // asked for at each connection
          return target(port);
        };
        return machine;
      },
      close: async () => {},
    }),
    async [Symbol.asyncDispose]() {
      await machines.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
