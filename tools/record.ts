// `npm run record`: runs a command (default: npm start) in a terminal and draws what was to be seen into
// docs/npm-start.svg. Other command, other file: npm run record -- --out docs/x.svg npm start -- gemma-4b
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { CloreError, describeError } from "../src/core/errors.ts";
import { film, type Shot } from "./record/frames.ts";
import { VirtualTerminal } from "./record/screen.ts";
import { toSvg } from "./record/svg.ts";
import { which } from "./setup/tool.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const maxBytes = 300_000;
const size = { columns: 110, rows: 30 };

async function main(): Promise<void> {
  const { out, command } = options(process.argv.slice(2));
  const shots = await record(command);
  const title = `A terminal recording of: ${command}`;
  // The same film, coarser, until it is small enough for a README.
  for (const minMs of [120, 250, 500, 1000, 2000, 4000]) {
    const svg = toSvg(film(shots, { minMs, maxMs: 2_500 }), { ...size, title });
    if (svg.length > maxBytes) continue;
    refusePathsOfThisMachine(svg);
    mkdirSync(dirname(join(root, out)), { recursive: true });
    writeFileSync(join(root, out), svg);
    console.log(`${out}: ${Math.round(svg.length / 1000)} kB`);
    return;
  }
  throw new CloreError("record.too-big", {
    message: `the recording of ${command} does not fit into ${maxBytes} bytes`,
  });
}

function options(argv: string[]): { out: string; command: string } {
  const own = argv.findIndex((word, index) => !word.startsWith("--") && argv[index - 1] !== "--out");
  const split = own < 0 ? argv.length : own;
  const { values } = parseArgs({
    args: argv.slice(0, split),
    options: { out: { type: "string", default: "docs/npm-start.svg" } },
  });
  return { out: values.out, command: argv.slice(split).join(" ") || "npm start" };
}

/** Runs the command under a pseudo terminal (of util-linux' `script`) and keeps what its screen showed, and when. */
async function record(command: string): Promise<Shot[]> {
  if (!which("script")) {
    throw new CloreError("record.no-script", {
      message: "no `script` on the PATH",
      hint: "install util-linux",
    });
  }
  const terminal = new VirtualTerminal(size.columns, size.rows);
  await terminal.write(`\u001b[32m$\u001b[0m ${command}\r\n`);
  const start = performance.now();
  const shots: Shot[] = [{ at: 0, screen: terminal.look() }];
  const inTerminal = `stty cols ${size.columns} rows ${size.rows} && exec ${command}`;
  const child = spawn("script", ["--quiet", "--return", "--flush", "--command", inTerminal, "/dev/null"], {
    cwd: root,
    env: { ...process.env, TERM: "xterm-256color", npm_config_loglevel: "silent" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<number | null>((resolve, reject) =>
    child.on("error", reject).on("close", resolve),
  );
  for await (const chunk of child.stdout) {
    process.stdout.write(chunk);
    await terminal.write(chunk);
    shots.push({ at: performance.now() - start, screen: terminal.look() });
  }
  const code = await ended;
  if (code !== 0)
    throw new CloreError("record.failed", { message: `${command} ended with ${code}; nothing was drawn` });
  return shots;
}

function refusePathsOfThisMachine(svg: string): void {
  for (const path of [root, homedir()]) {
    if (path.length > 1 && svg.includes(`${path}/`)) {
      throw new CloreError("record.path", {
        message: `the recording shows ${path}, a path of this machine; nothing was drawn`,
      });
    }
  }
}

main().catch((error) => {
  console.error(describeError(error));
  process.exitCode = 1;
});
