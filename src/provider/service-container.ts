import { CloreError } from "../core/errors.ts";
import type { HostFacts } from "../host/types.ts";
import type { SshConnection } from "../ssh/types.ts";
import type { Call } from "./handler.ts";
import type { ServiceInputs } from "./service-inputs.ts";

export async function ensure(
  _ssh: SshConnection,
  _want: ServiceInputs,
  _facts: HostFacts,
  _call: Call,
): Promise<{ revision: string }> {
  throw new CloreError("host.mode-impossible", { message: "containers come with the next commit" });
}
export async function look(_ssh: SshConnection, _name: string, _call: Call): Promise<undefined> {}
export async function remove(_ssh: SshConnection, _name: string, _call: Call): Promise<void> {}
