import type { Machine, MachineKind } from "./types.ts";

/** Orders without a machine: up by the API's word, and nobody behind the addresses. */
export const noMachines: MachineKind = {
  name: "none",
  start: async (spec): Promise<Machine> => ({
    id: `none-${spec.orderId}`,
    target: () => undefined,
    changeHostKey: async () => {},
    lockOut: async () => {},
    setGpus: async () => {},
    killProcesses: async () => {},
    reboot: async () => {},
    end: async () => {},
  }),
  close: async () => {},
};
