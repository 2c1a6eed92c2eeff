import type { MachineKind } from "./types.ts";

/** Which kind of host a container plays. */
export type Variant = "plain" | "supervisord" | "docker" | "systemd";

export function dockerMachines(_options: {
  variant: Variant | ((image: string) => Variant);
  onProgress(message: string): void;
}): MachineKind {
  throw new Error("machines: docker is not there yet");
}
