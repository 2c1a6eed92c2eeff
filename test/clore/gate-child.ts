/** A process that passes the gate again and again and prints when: `node gate-child.ts <directory> <kind> <passes>`. */
import { openRateGate } from "../../src/clore/gate.ts";
import type { PassKind } from "../../src/clore/gate-rules.ts";
import { systemClock } from "../../src/core/clock.ts";
import { Secret } from "../../src/core/secret.ts";

const [directory, kind, passes] = process.argv.slice(2);
let lastRead = 0;
const gate = openRateGate({
  directory: directory!,
  apiUrl: "https://api.example/v1",
  apiKey: new Secret("shared"),
  requestEveryMs: 50,
  createEveryMs: 250,
  // The last time that the gate read before it let us pass is the time it wrote down.
  clock: {
    ...systemClock,
    now: () => {
      lastRead = Date.now();
      return lastRead;
    },
  },
});
for (let count = 0; count < Number(passes); count++) {
  await gate.pass(kind as PassKind);
  process.stdout.write(`${kind} ${lastRead}\n`);
}
gate.close();
