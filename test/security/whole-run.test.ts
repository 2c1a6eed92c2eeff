import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { describe, expect, test } from "vitest";
import { startGemini } from "../../src/emulator/gemini.ts";
import { fromContainers } from "../../src/emulator/machines/image.ts";
import { marked } from "../../src/emulator/machines/processes.ts";
import { startEmulator } from "../../src/emulator/server.ts";
import { needs } from "../support/needs.ts";
import { freePort } from "../support/sshd.ts";
import { type Ran, Stack } from "../support/stack.ts";
import { ArgumentWatch, formsOf, type Leak, leaksBelow, leaksIn, type Secrets } from "./leaks.ts";
import { record } from "./recorder.ts";

const speed = 20;
/** As loud as the CLI gets. */
const loud = ["--debug", "--logtostderr", "-v=9"];

/** What the host knows of the secrets: where each lies on its disk, and which processes have which in their environment. */
interface HostLook {
  files: (Leak & { mode: string })[];
  environments: string[];
}

describe.each([
  { machines: "sandbox" as const, parts: ["pulumi"] as const },
  { machines: "docker" as const, parts: ["pulumi", "docker", "root"] as const },
])("after up, refresh and destroy with all logs on, on a $machines machine", ({ machines, parts }) => {
  test.skipIf(needs(...parts))(
    "no secret lies in clear where it does not belong",
    { timeout: 300_000 },
    async () => {
      const bridge =
        machines === "docker" ? await fromContainers() : { host: "127.0.0.1", listen: undefined };
      await using gemini = await startGemini({
        host: ["127.0.0.1", ...(bridge.listen ? [bridge.listen] : [])],
      });
      using folders = temporary();
      await using emulator = await startEmulator({ machines, speed, stateDir: folders.emulator });
      await using line = await record(emulator.apiUrl);
      const config = {
        maxPricePerDay: 1.5,
        lease: "8h",
        mode: "native",
        port: machines === "sandbox" ? await freePort() : 8080,
        upstreamUrl: `http://${bridge.host}:${gemini.port}`,
      };
      await using stack = await Stack.create({
        config,
        env: {
          CLORE_API_URL: line.apiUrl,
          CLORE_API_KEY: emulator.apiKey,
          CLORE_EMULATOR_SPEED: String(speed),
          GOOGLE_API_KEY: gemini.apiKey,
          TMPDIR: folders.laptop,
        },
      });
      const given = { marketplaceKey: emulator.apiKey, googleKey: gemini.apiKey };
      using argumentsSeen = new ArgumentWatch(given);

      const up = await stack.up(...loud);
      expect(up.exitCode, tail(up)).toBe(0);
      const { url, apiKey, sshPrivateKey } = await stack.outputs<Record<string, string>>();
      const secrets: Secrets = { ...given, proxyKey: apiKey!, sshKey: sshPrivateKey! };
      await talkTo(url!, apiKey!);
      const host = await lookAt(machines, emulator.active()[0]?.machine ?? "", secrets);
      const refresh = await stack.run("refresh", "--yes", "--skip-preview", ...loud);
      expect(refresh.exitCode, tail(refresh)).toBe(0);
      const laptopWhileUp = leaksBelow(dirname(stack.home), secrets);
      const destroy = await stack.run("destroy", "--yes", "--skip-preview", ...loud);
      expect(destroy.exitCode, tail(destroy)).toBe(0);

      // The searches work: where a secret belongs, it is found.
      expect(host.files.map(({ secret }) => secret).toSorted()).toEqual(["googleKey", "proxyKey"]);
      expect(line.requests.some(({ headers }) => headers.includes(emulator.apiKey))).toBe(true);
      expect(argumentsSeen.seen).toBeGreaterThan(20);

      // On the host: two keys that the proxy needs, in one file of its user, in the environment of the proxy.
      for (const { where, mode } of host.files) {
        expect(where).toMatch(/\/secret\.env$/);
        expect(mode).toBe("600");
      }
      expect(new Set(host.environments)).toEqual(new Set(["googleKey", "proxyKey"]));
      // What the marketplace got: our key in the header that is for it, nothing else of ours in orders.
      const sent = line.requests.flatMap(({ url, headers, body }) => [
        ...leaksIn(url + body, `${url} ${body}`, secrets),
        ...leaksIn(headers.replace(`"auth":"${emulator.apiKey}"`, ""), `headers of ${url}`, secrets),
      ]);
      expect(sent).toEqual([]);
      // Here: output and logs, state, checkpoints and history, ledger, gate, host book, temporary files, arguments.
      for (const [name, ran] of Object.entries({ up, refresh, destroy })) {
        expect(leaksIn(withoutEngineTrace(ran.output), name, secrets)).toEqual([]);
      }
      expect(laptopWhileUp).toEqual([]);
      expect(leaksBelow(dirname(stack.home), secrets)).toEqual([]);
      expect(leaksBelow(folders.laptop, secrets)).toEqual([]);
      expect([...argumentsSeen.leaks.values(), ...argumentsSeen.also(secrets)]).toEqual([]);
    },
  );
});

describe.skipIf(needs("pulumi"))("a run that fails, with all logs on", () => {
  test("keeps a wrong marketplace key to itself", { timeout: 60_000 }, async () => {
    await using emulator = await startEmulator({ machines: "none", speed });
    const secrets = { wrongKey: "wrong-0123456789abcdefghijklmnop", googleKey: "google-0123456789abcdefgh" };
    await using stack = await Stack.create({
      config: { lease: "8h" },
      env: {
        CLORE_API_URL: emulator.apiUrl,
        CLORE_API_KEY: secrets.wrongKey,
        CLORE_EMULATOR_SPEED: String(speed),
        GOOGLE_API_KEY: secrets.googleKey,
      },
    });
    const up = await stack.up(...loud);
    expect(up.exitCode).not.toBe(0);
    expect(up.output).toContain("clore.invalid-token");
    expect(leaksIn(withoutEngineTrace(up.output), "up", secrets)).toEqual([]);
    expect(leaksBelow(dirname(stack.home), secrets)).toEqual([]);
  });

  test("keeps to itself what a proxy prints that falls at its start", { timeout: 120_000 }, async () => {
    await using gemini = await startGemini();
    await using emulator = await startEmulator({ machines: "sandbox", speed });
    await using stack = await Stack.create({
      config: { lease: "8h", mode: "native", port: await freePort(), upstreamUrl: gemini.url },
      env: {
        CLORE_API_URL: emulator.apiUrl,
        CLORE_API_KEY: emulator.apiKey,
        CLORE_EMULATOR_SPEED: String(speed),
        GOOGLE_API_KEY: gemini.apiKey,
      },
    });
    stack.changeBundle(() => "console.log('my keys:', process.env.GOOGLE_API_KEY); process.exit(3);");
    const up = await stack.up(...loud);
    expect(up.exitCode).not.toBe(0);
    expect(up.output).toMatch(/host\.service-crashed[\s\S]*my keys: \[secret\]/);
    const secrets = { marketplaceKey: emulator.apiKey, googleKey: gemini.apiKey };
    expect(leaksIn(withoutEngineTrace(up.output), "up", secrets)).toEqual([]);
    expect(leaksBelow(dirname(stack.home), secrets)).toEqual([]);
  });
});

/**
 * Pulumi's engine itself writes all properties in clear at -v=9 (`Marshaling property for RPC`; its documentation warns
 * of it, docs/resources.md does too), and only there. Everything else of its trace is searched.
 */
function withoutEngineTrace(output: string): string {
  return output
    .split("\n")
    .filter((line) => !/^\{.*"msg":"(Unm|M)arshaling property for RPC\[.*"v":9\}$/.test(line))
    .join("\n");
}

function tail({ output }: Ran): string {
  return output.slice(-4000);
}

/** Fills the proxy's log with what it is asked rightly and wrongly. */
async function talkTo(url: string, key: string): Promise<void> {
  for (const bearer of [key, "wrong"]) {
    const headers = { authorization: `Bearer ${bearer}`, "content-type": "application/json" };
    const response = await fetch(`${url}/chat`, { method: "POST", headers, body: '{"message":"hi"}' });
    expect(response.status).toBe(bearer === key ? 200 : 401);
  }
}

function lookAt(machines: "sandbox" | "docker", machine: string, secrets: Secrets): Promise<HostLook> {
  return machines === "sandbox" ? lookAtSandbox(machine, secrets) : lookAtContainer(machine, secrets);
}

async function lookAtSandbox(folder: string, secrets: Secrets): Promise<HostLook> {
  const files = leaksBelow(folder, secrets).map((leak) => ({
    ...leak,
    mode: (statSync(leak.where).mode & 0o777).toString(8),
  }));
  const environments = (await marked(folder)).flatMap((pid) =>
    leaksBelow(`/proc/${pid}`, secrets, (path) => path !== `/proc/${pid}/environ`).map(
      ({ secret }) => secret,
    ),
  );
  return { files, environments };
}

/** Patterns go over stdin: as arguments they would be found, by the watch that runs beside. */
async function lookAtContainer(id: string, secrets: Secrets): Promise<HostLook> {
  const look: HostLook = { files: [], environments: [] };
  for (const [secret, value] of Object.entries(secrets)) {
    const grep = async (script: string) => {
      const command = ["exec", "-i", id, "sh", "-c", script];
      const { stdout } = await execa("docker", command, { input: formsOf(value).join("\n"), reject: false });
      return stdout.split("\n").filter(Boolean);
    };
    // A key of several lines as one pattern would match each of its common lines.
    const found = await grep(
      "grep -rlasF -f - --exclude-dir=proc --exclude-dir=sys --exclude-dir=dev / | while read -r f; do stat -c '%a %n' \"$f\"; done",
    );
    for (const one of found) {
      const [mode = "", where = ""] = one.split(" ");
      look.files.push({ secret, where, mode });
    }
    if ((await grep("grep -lasF -f - /proc/[0-9]*/environ")).length > 0) look.environments.push(secret);
  }
  return look;
}

function temporary(): Disposable & { emulator: string; laptop: string } {
  const folder = mkdtempSync(join(tmpdir(), "clore-secrets-"));
  const [emulator, laptop] = [join(folder, "emulator"), join(folder, "laptop")];
  mkdirSync(laptop, { recursive: true });
  return { emulator, laptop, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}
