import type { Json } from "../../../src/provider/rpc/values.ts";
import type { Goal, Wire } from "./engine.ts";

/** One Server of a program. */
export interface ServerSpec {
  name: string;
  /** Changing it replaces. */
  image?: string;
  /** Changing it updates. */
  lease?: string;
  /** Of the SshKey that it is rented with. @default "key" */
  key?: string;
  /** @default 0.1 */
  bootMinutes?: number;
  gpu?: string;
  minDiskGb?: number;
  /** On the spot market. */
  spot?: boolean;
  /** A tiny process on it. */
  service?: boolean;
}

/** What the user's program asks for: keys first, servers on them, services on those. */
export function programOf(servers: readonly ServerSpec[]): Goal[] {
  const keys = [...new Set(servers.map(({ key }) => key ?? "key"))];
  return [
    ...keys.map((name): Goal => ({ type: "SshKey", name, dependsOn: [], inputs: () => ({}) })),
    ...servers.flatMap(goalsOf),
  ];
}

function goalsOf({
  name,
  image,
  lease,
  key = "key",
  spot,
  service,
  gpu,
  minDiskGb = 1,
  bootMinutes = 0.1,
}: ServerSpec): Goal[] {
  const server: Goal = {
    type: "Server",
    name,
    dependsOn: [key],
    inputs: (outputs) => ({
      sshKey: {
        publicKey: wanted(outputs(key), "publicKey"),
        privateKey: wanted(outputs(key), "privateKey"),
      },
      minReliability: 0,
      minDiskGb,
      ...(gpu ? { gpu } : {}),
      bootMinutes,
      acquireMinutes: 2,
      ...(spot ? { market: "spot" } : {}),
      ...(image ? { image } : {}),
      ...(lease ? { lease } : {}),
    }),
  };
  if (!service) return [server];
  const process: Goal = {
    type: "Service",
    name: `${name}-app`,
    dependsOn: [name],
    deletedWith: name,
    inputs: (outputs) => ({
      name: `${name}-app`,
      connection: wanted(outputs(name), "connection"),
      process: { command: ["sleep", "600"] },
      mode: "native",
    }),
  };
  return [server, process];
}

function wanted(outputs: Wire, property: string): Json {
  const value = outputs[property];
  if (value === undefined) throw new Error(`no output ${property}`);
  return value;
}
