import type { Variant } from "../../src/emulator/machines/image.ts";
import { connect } from "../../src/ssh/connect.ts";
import type { SshConnection } from "../../src/ssh/types.ts";
import { startMachine, type TestMachine, type TestMachineOptions } from "./machines.ts";

/** A container that plays one kind of host, and a connection to it. */
export interface VariantHost extends AsyncDisposable {
  machine: TestMachine;
  /** The newest connection: {@link cutLine} and {@link reboot} put another in its place. */
  ssh: SshConnection;
  /** The line is reset under the session; a new connection takes its place. */
  cutLine(): Promise<void>;
  /** `docker restart`: every process ends, the files stay. */
  reboot(): Promise<void>;
}

/** Boots a host of one kind and logs in over real SSH. */
export async function startVariant(
  variant: Variant,
  options: Omit<TestMachineOptions, "kind" | "variant"> = {},
): Promise<VariantHost> {
  const machine = await startMachine({ ...options, kind: "docker", variant });
  const { address, port, user, privateKey } = machine;
  const login = () => connect({ address, port, user, privateKey, hostKey: undefined }, { timeoutMs: 30_000 });
  let ssh: SshConnection;
  try {
    ssh = await login();
  } catch (error) {
    await machine.close();
    throw error;
  }
  return {
    machine,
    get ssh() {
      return ssh;
    },
    async cutLine() {
      machine.line.cut();
      await ssh.close();
      ssh = await login();
    },
    async reboot() {
      await ssh.close();
      await machine.machine.reboot();
      ssh = await login();
    },
    async [Symbol.asyncDispose]() {
      await ssh.close();
      await machine.close();
    },
  };
}
