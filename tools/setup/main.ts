// `npm run setup`: everything that the commands need, without running any of them.
import { describeError } from "../../src/core/errors.ts";
import { terminalLog } from "./progress.mjs";
import { ensurePulumi } from "./pulumi.ts";

try {
  const pulumi = await ensurePulumi({ log: terminalLog() });
  console.log(
    `Node ${process.versions.node}, dependencies, Pulumi ${pulumi.version} (${pulumi.dir}): all there.`,
  );
} catch (error) {
  console.error(describeError(error));
  process.exitCode = 1;
}
