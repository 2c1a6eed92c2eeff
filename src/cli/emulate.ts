import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { counted } from "../core/counted.ts";
import { InputError, type InputProblem } from "../core/errors.ts";
import { startGemini } from "../emulator/gemini.ts";
import { dockerWorks, fromContainers } from "../emulator/machines/image.ts";
import { startModelRegistry } from "../emulator/models/registry.ts";
import { type Emulator, startEmulator } from "../emulator/server.ts";
import type { Command, CommandIo } from "./command.ts";

const usage = `clore emulate [--port N] [--machines sandbox|docker] [--seed N] [--speed N] [--json] [--api-key-file F]

A local Clore.ai: the API on 127.0.0.1, a market of about 2,100 servers, and a machine behind every order.
Nothing is rented and nothing costs money. Runs until Ctrl-C, then ends every machine and says what was "billed".

  --port N            port of the API (default: a free one)
  --machines KIND     sandbox: a shell in a temporary folder; docker: a container with OpenSSH, and with an
                      Ollama where the order's image is ollama/ollama
                      (default: docker where a daemon answers, otherwise sandbox)
  --seed N            the same seed gives the same market (default 1)
  --speed N           N times faster: shorter delays and limits, faster billing (default 1)
  --api-key-file F    take the API key from the first line of this file (default: a random one)
  --json              first line on stdout: apiUrl, apiKey, machines, geminiUrl, geminiUrlFromMachines, geminiKey,
                      modelsUrl, modelsUrlFromMachines
`;

interface Wanted {
  port: number;
  machines: "sandbox" | "docker" | undefined;
  seed: number;
  speed: number;
  json: boolean;
  keyFile: string | undefined;
}

/** `clore emulate`: the local Clore.ai, for people to try their programs against. */
export const command: Command = {
  name: "emulate",
  summary: "run a local Clore.ai with real machines behind its orders",
  usage,
  async run(argv, io) {
    const wanted = read(argv);
    const machines = wanted.machines ?? ((await dockerWorks()) ? "docker" : "sandbox");
    const apiKey = wanted.keyFile
      ? (await readFile(wanted.keyFile, "utf8")).split("\n")[0]!.trim()
      : undefined;
    const { port, seed, speed } = wanted;
    await using emulator = await startEmulator({
      port,
      seed,
      speed,
      machines,
      apiKey,
      onProgress: (line) => io.err(line),
    });
    // A container's loopback is its own: what is to be reached from there listens on the bridge too.
    const bridge = machines === "docker" ? await fromContainers() : { host: "127.0.0.1", listen: undefined };
    const host = ["127.0.0.1", ...(bridge.listen ? [bridge.listen] : [])];
    await using gemini = await startGemini({ host });
    await using models = await startModelRegistry({ host });
    const fromMachines = `http://${bridge.host}:${gemini.port}`;
    if (wanted.json) {
      const { apiUrl, apiKey } = emulator;
      const { url: geminiUrl, apiKey: geminiKey } = gemini;
      io.out(
        JSON.stringify({
          apiUrl,
          apiKey,
          machines,
          geminiUrl,
          geminiUrlFromMachines: fromMachines,
          geminiKey,
          modelsUrl: models.url,
          modelsUrlFromMachines: `http://${bridge.host}:${models.port}`,
        }),
      );
    } else {
      io.out(`A local Clore.ai (machines: ${machines}). Point a program at it with`);
      io.out(`  export CLORE_API_URL=${emulator.apiUrl} CLORE_API_KEY=${emulator.apiKey}`);
      io.out(`A stand-in of the Gemini API: ${gemini.url} (key ${gemini.apiKey})`);
      io.out(`A registry with a tiny stand-in for every Ollama model of the catalog: ${models.url}`);
      io.out("Ctrl-C ends it and every machine.");
    }
    if (!io.signal.aborted)
      await new Promise((resolve) => io.signal.addEventListener("abort", resolve, { once: true }));
    await emulator.close();
    bill(emulator, io);
    return 0;
  },
};

function bill(emulator: Emulator, io: CommandIo): void {
  const { orders, spentUsd } = emulator.ledger();
  const total = Object.values(spentUsd).reduce((sum, usd) => sum + usd, 0);
  io.err(
    `${counted(orders.length, "order")}, ${total.toFixed(4)} USD would have been billed; no machine is left.`,
  );
  for (const one of orders) {
    io.err(
      `  #${one.orderId} on ${one.serverId}: ${one.pricePerDayUsd.toFixed(2)} USD/day, ${one.spentUsd.toFixed(4)} USD, ${one.why}`,
    );
  }
}

function read(argv: readonly string[]): Wanted {
  const problems: InputProblem[] = [];
  const text = { type: "string" } as const;
  const { values, positionals } = parseArgs({
    args: [...argv],
    strict: false,
    allowPositionals: true,
    options: {
      port: text,
      machines: text,
      seed: text,
      speed: text,
      "api-key-file": text,
      json: { type: "boolean" },
    },
  });
  const known = ["port", "machines", "seed", "speed", "api-key-file", "json"];
  for (const name of Object.keys(values))
    if (!known.includes(name)) problems.push({ path: `--${name}`, problem: "no such option" });
  for (const word of positionals) problems.push({ path: word, problem: "not understood" });
  const number = (
    name: "port" | "seed" | "speed",
    fallback: number,
    fits: (n: number) => boolean,
    what: string,
  ): number => {
    const value = values[name] === undefined ? fallback : Number(values[name]);
    if (!fits(value)) problems.push({ path: `--${name}`, problem: what });
    return value;
  };
  const { machines, json } = values;
  if (machines !== undefined && machines !== "sandbox" && machines !== "docker") {
    problems.push({ path: "--machines", problem: "write sandbox or docker" });
  }
  const wanted: Wanted = {
    port: number("port", 0, (n) => Number.isInteger(n) && n >= 0 && n <= 65535, "a port, 0 to 65535"),
    seed: number("seed", 1, Number.isInteger, "a whole number"),
    speed: number("speed", 1, (n) => n > 0 && n <= 10_000, "a number over 0, at most 10000"),
    machines: machines as Wanted["machines"],
    json: json === true,
    keyFile: typeof values["api-key-file"] === "string" ? values["api-key-file"] : undefined,
  };
  if (problems.length > 0) throw new InputError("clore emulate", problems);
  return wanted;
}
