// The 20 steps with our own layer, as a program: `node bench/ssh/ours.mjs <site.json>`, as main.ts writes it.
// Plain JavaScript, so that Node does not load its TypeScript compiler (40 ms) for this file alone: the others come from the cache.
import { readFileSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { join } from "node:path";

enableCompileCache(join(import.meta.dirname, "../../node_modules/.cache/compiled"));
const { connect } = await import("../../src/ssh/connect.ts");
const { provision } = await import("./provision.ts");

const { target, steps, contents } = JSON.parse(readFileSync(process.argv[2], "utf8"));
await using ssh = await connect(target, { timeoutMs: 60_000 });
await provision(ssh, steps, new Map(contents));
