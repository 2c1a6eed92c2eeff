import { randomBytes } from "node:crypto";
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { CloreError } from "../../src/core/errors.ts";
import { stateDirectory } from "../../src/core/state-directory.ts";
import { quote } from "../../src/ssh/quote.ts";
import type { Outputs } from "./pulumi.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** One run of a stack: a Pulumi project and backend in a folder of its own, so that the clone is never written to. */
export interface Session {
  stack: string;
  live: boolean;
  /** Holds project, backend, passphrase; removed at the end unless something is left up. */
  directory: string;
  /** The local marketplace's process; undefined with --live. */
  emulatorPid: number | undefined;
  /** What every `pulumi` of this run is started with, beside the caller's environment. */
  env: Record<string, string>;
}

const saved = z.object({
  stack: z.string(),
  live: z.boolean(),
  directory: z.string(),
  emulatorPid: z.number().optional(),
  env: z.record(z.string(), z.string()),
});

/** Where the session that was left up is remembered (0600: it holds the passphrase of its state). */
function memo(env: NodeJS.ProcessEnv): string {
  return join(stateDirectory(env), "start.json");
}

/**
 * @param pulumiDir where the CLI is
 * @throws CloreError `start.no-folder`
 */
export function openSession(stack: string, live: boolean, pulumiDir: string): Session {
  const state = stateDirectory(process.env);
  written(state, "CLORE_HOME", () => {
    mkdirSync(state, { recursive: true, mode: 0o700 });
    accessSync(state, constants.W_OK);
  });
  // What was rented for real must survive a crash and a reboot: not in a temporary folder.
  const directory = live
    ? join(state, "live", stack)
    : written(tmpdir(), "TMPDIR", () => mkdtempSync(join(tmpdir(), "pulumi-clore-")));
  const backend = join(directory, "backend");
  mkdirSync(backend, { recursive: true, mode: 0o700 });
  const passphraseFile = join(directory, "passphrase");
  if (!existsSync(passphraseFile))
    writeFileSync(passphraseFile, randomBytes(24).toString("base64url"), { mode: 0o600 });
  const env: Record<string, string> = {
    PATH: [join(root, "node_modules", ".bin"), pulumiDir, process.env.PATH].join(delimiter),
    PULUMI_BACKEND_URL: `file://${backend}`,
    PULUMI_HOME: join(directory, "home"),
    PULUMI_CONFIG_PASSPHRASE_FILE: passphraseFile,
    PULUMI_SKIP_UPDATE_CHECK: "1",
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "1",
    ...(live ? {} : { CLORE_HOME: join(directory, "clore") }),
  };
  return { stack, live, directory, emulatorPid: undefined, env };
}

function written<T>(folder: string, variable: string, write: () => T): T {
  try {
    return write();
  } catch (error) {
    throw new CloreError("start.no-folder", {
      message: `the folder ${folder} cannot be written to; nothing was started`,
      seen: (error as Error).message,
      hint: `let ${variable} name a folder of yours that can be written to`,
      cause: error,
    });
  }
}

/** Writes the project file and the stack's configuration: the one of stacks/ plus what this run needs. */
export function writeProject(session: Session, extra: Readonly<Record<string, unknown>>): void {
  const project = {
    name: "pulumi-clore",
    main: join(root, "stacks", "index.ts"),
    stackConfigDir: ".",
    runtime: { name: "nodejs", options: { typescript: false } },
    plugins: { providers: [{ name: "clore", path: join(root, "bin") }] },
  };
  writeFileSync(join(session.directory, "Pulumi.yaml"), JSON.stringify(project, null, 2));
  const own = join(root, "stacks", `Pulumi.${session.stack}.yaml`);
  const lines = Object.entries(extra).map(
    ([key, value]) => `  pulumi-clore:${key}: ${JSON.stringify(value)}`,
  );
  const text = existsSync(own) ? readFileSync(own, "utf8") : "config:\n";
  const target = join(session.directory, `Pulumi.${session.stack}.yaml`);
  // A live session may exist already: its file holds the salt of its secrets.
  if (!existsSync(target)) writeFileSync(target, `${text.trimEnd()}\n${lines.join("\n")}\n`);
}

/** Writes `env`, to be sourced by a shell that goes on by hand. It holds keys: only its owner reads it. */
export function writeShellEnv(session: Session): void {
  const lines = Object.entries(session.env).map(([key, value]) => `export ${key}=${quote([value])}\n`);
  writeFileSync(join(session.directory, "env"), lines.join(""), { mode: 0o600 });
}

/** Writes the server's private key for its owner alone. Gives the stack's commands with the file's path in them. */
export function openWaysIn(
  { directory }: Pick<Session, "directory">,
  { sshPrivateKey, ssh, tunnel }: Pick<Outputs, "sshPrivateKey" | "ssh"> & Partial<Pick<Outputs, "tunnel">>,
): { ssh: string; tunnel: string | undefined } {
  const file = join(directory, "key");
  rmSync(file, { force: true });
  writeFileSync(file, sshPrivateKey, { mode: 0o600 });
  const named = (command: string) => command.replace(" -i key ", () => ` -i ${quote([file])} `);
  return { ssh: named(ssh), tunnel: tunnel === undefined ? undefined : named(tunnel) };
}

/** Remembers a session that stays up, for `--down`. */
export function remember(session: Session): void {
  mkdirSync(stateDirectory(process.env), { recursive: true, mode: 0o700 });
  writeFileSync(memo(process.env), JSON.stringify(session, null, 2), { mode: 0o600 });
}

/** The session that was left up, if any. */
export function recall(): Session | undefined {
  if (!existsSync(memo(process.env))) return undefined;
  const parsed = saved.safeParse(JSON.parse(readFileSync(memo(process.env), "utf8")));
  return parsed.success ? { ...parsed.data, emulatorPid: parsed.data.emulatorPid } : undefined;
}

/** Removes the session's folder and the memory of it. */
export function forget(session: Session): void {
  const left = recall();
  if (left?.directory === session.directory) rmSync(memo(process.env), { force: true });
  rmSync(session.directory, { recursive: true, force: true });
}
