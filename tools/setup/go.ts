import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Log } from "../../src/core/log.ts";
import { withSeconds } from "./progress.mjs";
import { output, which } from "./tool.ts";

const here = dirname(fileURLToPath(import.meta.url));

/**
 * Builds the program that the wrapper module in `tools/setup/<folder>` names in its `tool` line. A wrapper, because
 * `go install …@version` refuses modules with `replace` lines, and because its go.sum pins every byte that is built.
 * @throws Error without Go on the PATH, or with the last words of the compiler
 */
export async function goBuild(options: {
  folder: string;
  /** Beside `-s -w`. */
  ldflags?: string;
  out: string;
  env?: NodeJS.ProcessEnv;
  log: Log;
}): Promise<void> {
  if (!which("go")) throw new Error("no go on the PATH");
  const cwd = join(here, options.folder);
  const program = /^tool (\S+)$/m.exec(readFileSync(join(cwd, "go.mod"), "utf8"))![1]!;
  const ldflags = ["-s -w", options.ldflags].filter(Boolean).join(" ");
  let packages = 0;
  const build = output(
    "go",
    ["build", "-v", "-mod=readonly", "-ldflags", ldflags, "-o", options.out, program],
    {
      cwd,
      env: options.env,
      onLine: () => packages++,
    },
  );
  await withSeconds(options.log, () => `building ${options.folder}: ${packages} packages`, build);
}
