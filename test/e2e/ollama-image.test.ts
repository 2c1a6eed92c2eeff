import { describe, expect, test } from "vitest";
import { fromContainers } from "../../src/emulator/machines/image.ts";
import { startModelRegistry } from "../../src/emulator/models/registry.ts";
import { standInSentence } from "../../src/emulator/models/tiny.ts";
import { startEmulator } from "../../src/emulator/server.ts";
import { docker } from "../support/docker.ts";
import { needs } from "../support/needs.ts";
import { Stack } from "../support/stack.ts";
import { expectOk, resource, takeDown } from "./story.ts";

const speed = 20;
const tag = "gemma3:4b";

interface Outputs {
  url: string;
  apiKey: string;
  firstAnswer: string;
  tokensPerSecond: number;
  orderId: number;
  pricePerDay: number;
  ssh: string;
}

/** What the model says through the public door, or the status that came instead. */
async function ask({ url, apiKey }: Pick<Outputs, "url" | "apiKey">): Promise<string> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json" },
    body: JSON.stringify({ model: tag, messages: [{ role: "user", content: "Hello" }], max_tokens: 64 }),
  });
  const text = await response.text();
  if (response.status !== 200) return `HTTP ${response.status}`;
  return (JSON.parse(text) as { choices: { message: { content: string } }[] }).choices[0]!.message.content;
}

describe.skipIf(needs("pulumi", "docker", "ollama"))("models on an order whose own image is Ollama", () => {
  test("are pulled, answer, survive Ollama's death and a restart, and leave nothing", {
    timeout: 500_000,
  }, async () => {
    const bridge = await fromContainers();
    await using registry = await startModelRegistry({
      host: ["127.0.0.1", ...(bridge.listen ? [bridge.listen] : [])],
    });
    await using emulator = await startEmulator({ machines: "docker", speed });
    const config = {
      model: tag,
      gpu: "RTX 3060",
      maxPricePerDay: 4,
      lease: "8h",
      mode: "image",
      contextLength: 2048,
      parallel: 2,
      registry: `http://${bridge.host}:${registry.port}`,
      // The machine only says that it has a GPU.
      minVramShare: 0,
      minTokensPerSecond: 0,
    };
    await using stack = await Stack.create({
      name: "gemma-4b",
      config,
      env: {
        CLORE_API_URL: emulator.apiUrl,
        CLORE_API_KEY: emulator.apiKey,
        CLORE_EMULATOR_SPEED: String(speed),
      },
    });
    const timings: string[] = [];
    const timed = async (name: string, run: ReturnType<Stack["run"]>) => {
      const ran = await run;
      timings.push(`${name} ${ran.seconds.toFixed(1)} s`);
      expectOk(ran);
      return ran;
    };
    const isClean = async (name: string) => {
      await timed(`refresh ${name}`, stack.run("refresh", "--yes", "--skip-preview"));
      await timed(`preview ${name}`, stack.run("preview", "--expect-no-changes"));
    };

    await timed("up", stack.up());
    const outputs = await stack.outputs<Outputs>();
    expect(outputs.firstAnswer).toBe(standInSentence);
    expect(outputs.tokensPerSecond).toBeGreaterThan(1);
    expect(await ask(outputs)).not.toBe("");
    const [order, ...more] = emulator.active();
    expect(more).toEqual([]);
    expect(order).toMatchObject({ orderId: outputs.orderId, image: "ollama/ollama:0.17.4" });
    // Only the door is a service of ours: Ollama is the order itself.
    expect((await resource(stack, "Service")).inputs.name).toBe("ollama-gate");
    expect((await resource(stack, "Model")).outputs).toMatchObject({ status: "ready" });

    const machine = order!.machine!;
    const inside = (script: string) => docker("exec", machine, "/bin/bash", "-c", script);
    expect(inside("ls /root/.ollama/models/manifests; ls -d /root/.pulumi-clore/services/*")).toContain(
      "/root/.pulumi-clore/services/ollama-gate",
    );
    expect(inside("ls /root/.pulumi-clore/services")).toBe("ollama-gate");
    // The settings that were asked for are those that it runs with.
    expect(inside("ollama ps")).toMatch(/gemma3:4b .* 2048 +Forever/);
    expect(inside("tr '\\0' '\\n' < /proc/$(pidof -s ollama)/environ")).toMatch(/^OLLAMA_NUM_PARALLEL=2$/m);

    // Neither published, nor listening anywhere but on the container's loopback: its neighbours do not reach it either.
    const published = docker("port", machine).match(/^\d+\/tcp/gm);
    expect(new Set(published)).toEqual(new Set(["22/tcp", "8080/tcp"]));
    const address = docker("inspect", machine, "--format", "{{.NetworkSettings.IPAddress}}");
    await expect(fetch(`http://${address}:8080/healthz`)).resolves.toMatchObject({ status: 200 });
    await expect(fetch(`http://${address}:11434/api/version`)).rejects.toThrow();
    expect((await fetch(`${outputs.url}/api/version`)).status).toBe(401);

    await isClean("at first");

    stack.configure({ ...config, contextLength: 1024 });
    const preview = await stack.run("preview", "--diff");
    expect(preview.output).toMatch(/\+-clore:index:Server: \(replace\)/);
    stack.configure(config);

    // The one that the platform started is gone for good; the order's command brings another.
    inside("kill -9 $(pidof ollama)");
    await expect.poll(() => ask(outputs), { timeout: 30_000, interval: 500 }).toContain("tiny stand-in");
    await isClean("after its death");

    await emulator.faults.order("reboot", { orderId: outputs.orderId });
    const again = () => ask(outputs).catch(String);
    await expect.poll(again, { timeout: 60_000, interval: 500 }).toContain("tiny stand-in");
    await isClean("after a restart");

    // With the order's command killed too nobody starts Ollama any more: another server is the way out.
    await emulator.faults.order("killed-processes", { orderId: outputs.orderId });
    const { urn } = await resource(stack, "Server");
    await timed("up, another server", stack.up("--replace", urn));
    const replaced = await stack.outputs<Outputs>();
    expect(emulator.active().map(({ orderId }) => orderId)).toEqual([replaced.orderId]);
    expect(replaced.orderId).not.toBe(outputs.orderId);
    expect(await ask(replaced)).toContain("tiny stand-in");

    await takeDown(stack, replaced, timings);
    expect(emulator.active()).toEqual([]);
    expect(emulator.ledger().orders).toHaveLength(2);
    await expect.poll(() => docker("ps", "-aq", "--filter", `name=${machine}`), { timeout: 20_000 }).toBe("");
    console.log(timings.join(", "));
  });
});
