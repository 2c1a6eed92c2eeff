import { existsSync, readdirSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import { fileURLToPath } from "node:url";
import { CloreError, describeError, InputError } from "../src/core/errors.ts";
import { formatUsd, perHour } from "../src/cost/price.ts";
import { bundleProxy } from "./bundle.ts";
import { bundlePlugin } from "./bundle-plugin.ts";
import { ensureOllama } from "./setup/ollama.ts";
import { terminalLog } from "./setup/progress.mjs";
import { ensurePulumi } from "./setup/pulumi.ts";
import { Interrupts } from "./start/interrupts.ts";
import { type Marketplace, readBooks, startMarketplace, stopMarketplace } from "./start/marketplace.ts";
import { ollamaConfig, servesModels } from "./start/ollama.ts";
import { parseOptions, type StartOptions, usage } from "./start/options.ts";
import { Phases } from "./start/phases.ts";
import { outputs, pulumi, resourcesLeft } from "./start/pulumi.ts";
import { ollamaQuestions, proxyQuestions, type Question } from "./start/questions.ts";
import {
  forget,
  openSession,
  openWaysIn,
  recall,
  remember,
  type Session,
  writeProject,
  writeShellEnv,
} from "./start/session.ts";
import { existsStack, initStack, unlock } from "./start/stack.ts";

const log = terminalLog();
const phases = new Phases();
const atOnce = new AbortController();
const interrupts = new Interrupts(
  () => log.warn("\ninterrupted: giving back what was rented (once more: stop at once)"),
  () => {
    atOnce.abort();
    log.warn("\nstopped at once: what is left may bill; take it down with: npm start -- --down");
    process.exit(130);
  },
);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => interrupts.signalled());

try {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) process.stdout.write(`${usage}\n`);
  else if (options.down) await down();
  else await up(options);
} catch (error) {
  log.clear();
  // After Ctrl-C that `pulumi` failed is no news; that something is left would be.
  const isNews = !interrupts.seen || (error instanceof CloreError && error.code === "start.left");
  process.stderr.write(isNews ? `${describeError(error)}\n` : "interrupted\n");
  process.exitCode = interrupts.seen ? 130 : error instanceof InputError ? 2 : 1;
}

/** Up, ask, and give everything back, whatever happens in between. */
async function up(options: StartOptions): Promise<void> {
  refuseUnknownStack(options.stack);
  refuseSecondSession();
  const keys = options.live ? liveKeys(options.stack) : undefined;
  const { dir } = await phases.time("set-up", async () => {
    await bundleProxy();
    await bundlePlugin("clone");
    if (!keys && servesModels(options.stack)) await ensureOllama({ log });
    return ensurePulumi({ log });
  });
  const session = openSession(options.stack, options.live, dir);
  let marketplace: Marketplace | undefined;
  try {
    if (!keys) {
      marketplace = await phases.time("marketplace", () =>
        startMarketplace(session.directory, options.machines, (text) => log.status(text)),
      );
      log.clear();
      session.emulatorPid = marketplace.pid;
    }
    // From here on a crash of this process leaves a note of what there is.
    remember(session);
    await prepare(session, marketplace);
    if (options.live && !(await agreed(session, options.yes))) return await giveBack(session, marketplace);
    await phases.time("up", () =>
      pulumi(session, [
        "up",
        "--yes",
        "--suppress-permalink=true",
        ...(options.live ? ["--skip-preview"] : []),
      ]),
    );
    await phases.time("questions", () => ask(session, marketplace, options.keep));
  } catch (error) {
    if (isInterruption(error)) interrupts.learned();
    await giveBack(session, marketplace);
    throw error;
  }
  if (options.keep && !interrupts.seen) return explainKept(session, marketplace);
  await giveBack(session, marketplace);
}

function refuseUnknownStack(stack: string): void {
  const folder = fileURLToPath(new URL("../stacks/", import.meta.url));
  if (existsSync(`${folder}Pulumi.${stack}.yaml`)) return;
  const known = readdirSync(folder).flatMap((name) => /^Pulumi\.(.+)\.yaml$/.exec(name)?.[1] ?? []);
  throw new InputError("npm start", [
    { path: stack, problem: `no such stack; there are: ${known.join(", ")}` },
  ]);
}

function refuseSecondSession(): void {
  const left = recall();
  if (!left) return;
  throw new CloreError("start.still-up", {
    message: `stack ${left.stack} of an earlier run is still up${left.live ? ", and bills" : ""}`,
    hint: "take it down first: npm start -- --down",
  });
}

function liveKeys(stack: string): true {
  const missing = ["CLORE_API_KEY"].filter((name) => !process.env[name]);
  if (!servesModels(stack) && !process.env.GOOGLE_API_KEY && !process.env.COMETAPI_KEY)
    missing.push("GOOGLE_API_KEY (or COMETAPI_KEY)");
  if (missing.length === 0) return true;
  throw new CloreError("start.no-keys", {
    message: `--live needs ${missing.join(" and ")} in the environment; nothing was rented`,
    hint: "without --live everything runs against a local marketplace, at no cost",
  });
}

/** Project, configuration and stack, pointed at the local parts or at the real ones. */
async function prepare(session: Session, marketplace: Marketplace | undefined): Promise<void> {
  if (servesModels(session.stack)) return prepareModels(session, marketplace);
  const real = process.env.GOOGLE_API_KEY ? "google" : process.env.COMETAPI_KEY ? "cometapi" : undefined;
  const extra: Record<string, unknown> = { ...(real ? { upstream: real } : {}) };
  if (marketplace) {
    session.env.CLORE_API_URL = marketplace.apiUrl;
    session.env.CLORE_API_KEY = marketplace.apiKey;
    if (marketplace.machines === "sandbox") {
      // The sandbox shares this machine's network, and its Docker daemon is yours: neither is the server's.
      extra.port = await freePort(8080);
      extra.mode = "native";
    }
    if (!real) {
      session.env.GOOGLE_API_KEY = marketplace.geminiKey;
      extra.upstreamUrl = marketplace.geminiUrlFromMachines;
      extra.imageHostsAllowed = [new URL(marketplace.geminiUrlFromMachines).host];
    }
    const where = marketplace.machines === "docker" ? "a container" : "a shell in a temporary folder";
    log.info(`A local Clore.ai: ${marketplace.apiUrl} (behind an order: ${where}; nothing costs money)`);
    if (!real)
      log.info("No GOOGLE_API_KEY or COMETAPI_KEY: a local stand-in of the Gemini API answers, and says so.");
  }
  await makeStack(session, extra);
}

async function prepareModels(session: Session, marketplace: Marketplace | undefined): Promise<void> {
  if (!marketplace) return makeStack(session, {});
  session.env.CLORE_API_URL = marketplace.apiUrl;
  session.env.CLORE_API_KEY = marketplace.apiKey;
  const where = marketplace.machines === "docker" ? "a container" : "a shell in a temporary folder";
  log.info(`A local Clore.ai: ${marketplace.apiUrl} (behind an order: ${where}; nothing costs money)`);
  log.info(
    "No GPU is behind it: a real Ollama runs a tiny stand-in model on the CPU, and the model says so.",
  );
  await makeStack(session, await ollamaConfig(marketplace, freePort));
}

async function makeStack(session: Session, extra: Readonly<Record<string, unknown>>): Promise<void> {
  writeProject(session, extra);
  remember(session);
  if (!(await existsStack(session))) await initStack(session);
}

/** Where machines share the network of this one, the guide's port may be taken. */
async function freePort(wanted: number): Promise<number> {
  const { createServer } = await import("node:net");
  const tryPort = (port: number) =>
    new Promise<number | undefined>((resolve) => {
      const server = createServer();
      server.once("error", () => resolve(undefined));
      server.listen(port, "0.0.0.0", () => {
        const address = server.address();
        server.close(() => resolve(typeof address === "object" ? address?.port : undefined));
      });
    });
  return (await tryPort(wanted)) ?? (await tryPort(0)) ?? wanted;
}

/** Shows the offer with its price and asks; only for real money. */
async function agreed(session: Session, yes: boolean): Promise<boolean> {
  await pulumi(session, ["preview", "--suppress-permalink=true"]);
  if (yes) return true;
  if (!process.stdin.isTTY) {
    throw new CloreError("start.not-asked", {
      message: "nobody to ask: no terminal",
      hint: "add --yes to rent without asking",
    });
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question(
    "\nRent it for real money and give it back after the questions? [y/N] ",
  );
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}

/** @param keep whether it can still be reached after the questions: then the ways in are shown */
async function ask(session: Session, marketplace: Marketplace | undefined, keep: boolean): Promise<void> {
  const result = await outputs(session);
  const { url, apiKey, pricePerDay } = result;
  const waysIn = keep ? openWaysIn(session, result) : undefined;
  if (servesModels(session.stack)) {
    await askAll(ollamaQuestions(url, apiKey, result.models[0]!));
    const speed = `${result.tokensPerSecond} tok/s${marketplace ? ", on this machine's CPU" : ""}`;
    const tunnel = waysIn ? `, or on its own port through: ${waysIn.tunnel}` : "";
    process.stdout.write(`\nMeasured:  ${speed}\nOllama:    ${url}/v1 with the key${tunnel}\n`);
    return showRent(waysIn?.ssh, pricePerDay, marketplace);
  }
  const usesStandIn = marketplace !== undefined && session.env.GOOGLE_API_KEY === marketplace.geminiKey;
  const image = usesStandIn
    ? `${marketplace.geminiUrlFromMachines}/image.png`
    : "https://www.gstatic.com/webp/gallery/1.png";
  await askAll(proxyQuestions(url, apiKey, image));
  process.stdout.write(`\nThe proxy: ${url}\n`);
  showRent(waysIn?.ssh, pricePerDay, marketplace);
}

async function askAll(questions: readonly Question[]): Promise<void> {
  process.stdout.write("\n");
  for (const question of questions) {
    process.stdout.write(`${question.title}\n  → ${await question.ask()}\n`);
  }
}

function showRent(ssh: string | undefined, pricePerDay: number, marketplace: Marketplace | undefined): void {
  process.stdout.write(
    `${ssh ? `SSH:       ${ssh}\n` : ""}Rent:      ${formatUsd(perHour(pricePerDay))} per hour, ${formatUsd(pricePerDay)} per day (without fees)${marketplace ? "; emulated" : ""}\n\n`,
  );
}

function explainKept(session: Session, marketplace: Marketplace | undefined): void {
  remember(session);
  writeShellEnv(session);
  process.stdout.write(
    `It stays up${marketplace ? "" : ", and bills"}. Look at it, or change it, with\n` +
      `  cd ${session.directory} && . ./env\n` +
      `  pulumi stack output --show-secrets --stack ${session.stack}\n` +
      `  pulumi up --stack ${session.stack}\n` +
      "Take it down with\n  npm start -- --down\n",
  );
}

async function down(): Promise<void> {
  const session = recall();
  if (!session) {
    process.stdout.write("nothing is up: there is nothing to take down\n");
    return;
  }
  const { dir } = await ensurePulumi({ log });
  session.env.PATH = `${dir}:${process.env.PATH}`;
  await giveBack(session, undefined);
}

/** A Ctrl-C here is asked about once: it stops the live display, never the giving back. */
async function destroy(session: Session): Promise<void> {
  const run = (shielded: boolean) =>
    pulumi(session, ["destroy", "--yes", "--remove", "--skip-preview", "--suppress-permalink=true"], {
      shielded,
      signal: atOnce.signal,
    });
  try {
    await run(interrupts.seen);
  } catch (error) {
    if (!isInterruption(error)) throw error;
    interrupts.learned();
    await unlock(session);
    await run(true);
  }
}

function isInterruption(error: unknown): boolean {
  return error instanceof CloreError && error.code === "interrupted";
}

/** Destroys, proves that nothing is left, and removes the traces; says exactly what is left where that fails. */
async function giveBack(session: Session, marketplace: Marketplace | undefined): Promise<void> {
  const apiUrl = marketplace?.apiUrl ?? session.env.CLORE_API_URL;
  try {
    if (await existsStack(session)) {
      await unlock(session);
      await phases.time("destroy", () => destroy(session));
      // The stack went with its last resource.
      const left = (await existsStack(session)) ? await resourcesLeft(session) : 0;
      if (left > 0)
        throw new CloreError("start.left", { message: `${left} resources are still in the state` });
    }
    const orders = session.live || !apiUrl ? undefined : await readBooks(apiUrl);
    const open = orders?.filter((order) => order.ended === undefined) ?? [];
    if (open.length > 0) {
      throw new CloreError("start.left", {
        message: `orders are left: ${open.map((order) => order.orderId).join(", ")}`,
      });
    }
    if (session.emulatorPid !== undefined) await stopMarketplace(session.emulatorPid);
    forget(session);
    log.info(`\n${phases.summary()}`);
    if (orders) {
      const spent = orders.reduce((sum, order) => sum + order.spentUsd, 0);
      log.info(
        `Nothing is left: ${orders.length} rented, ${orders.length} given back, ${spent.toFixed(4)} USD would have been billed.`,
      );
    } else if (session.live) {
      log.info("Nothing is left: the state is empty, and every order was confirmed gone.");
    } else {
      log.info("Nothing is left: nothing was started.");
    }
  } catch (error) {
    remember(session);
    throw new CloreError("start.left", {
      message: `not everything could be given back: ${error instanceof Error ? error.message : String(error)}`,
      hint: `what is left is recorded in ${session.directory}; try again with: npm start -- --down`,
      cause: error,
    });
  }
}
