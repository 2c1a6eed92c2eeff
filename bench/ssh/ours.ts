/** The 20 steps with our own layer, as a program: `node bench/ssh/ours.ts <site.json>`, as main.ts writes it. */
import { readFileSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { join } from "node:path";
import type { SshTarget } from "../../src/ssh/types.ts";
import type { Step } from "./steps.ts";

// Node then reads TypeScript once only; what is imported above the call would be read each time.
enableCompileCache(join(import.meta.dirname, "../../node_modules/.cache/compiled"));
const { connect } = await import("../../src/ssh/connect.ts");
const { provision } = await import("./provision.ts");

const { target, steps, contents } = JSON.parse(readFileSync(process.argv[2]!, "utf8")) as {
  target: SshTarget;
  steps: readonly Step[];
  contents: readonly (readonly [number, string])[];
};
await using ssh = await connect(target, { timeoutMs: 60_000 });
await provision(ssh, steps, new Map(contents));
