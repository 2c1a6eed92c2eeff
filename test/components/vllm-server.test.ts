import * as pulumi from "@pulumi/pulumi";
import type { MockResourceArgs } from "@pulumi/pulumi/runtime/mocks.js";
import { beforeAll, describe, expect, test } from "vitest";
import { loadCatalog } from "../../src/catalog/load.ts";
import { vllmRoom } from "../../src/components/vllm-request.ts";
import { VllmServer, type VllmServerArgs } from "../../src/components/vllm-server.ts";

const registered: MockResourceArgs[] = [];
beforeAll(async () => {
  await pulumi.runtime.setMocks({
    newResource(args) {
      registered.push(args);
      const outputs: Record<string, Record<string, unknown>> = {
        "clore:index:SshKey": { publicKey: "ssh-ed25519 AAAA", privateKey: "private" },
        "clore:index:Server": { address: "192.0.2.7", port: 1972, user: "root", connection: { port: 1972 } },
        "clore:index:Service": { revision: "r1" },
        "clore:index:HealthCheck": { status: 200, latencyMs: 1600, answer: "I am a model." },
      };
      return { id: `${args.name}-id`, state: { ...args.inputs, ...outputs[args.type] } };
    },
    call: () => ({}),
  });
});

const resolved = <T>(output: pulumi.Output<T>) => new Promise<T>((resolve) => output.apply(resolve));
const inputsOf = (name: string) => registered.find((one) => one.name === name)?.inputs;

describe("a VllmServer", () => {
  test("rents what holds the model, serves it on loopback, and asks it", async () => {
    const vllm = new VllmServer("chat", {
      model: "Qwen/Qwen2.5-7B-Instruct",
      hfToken: "hf_secret",
      rent: { maxPricePerDay: 6, lease: "8h" },
    });
    expect(await resolved(vllm.endpoint)).toBe("http://127.0.0.1:8000/v1");
    expect(await resolved(vllm.tunnel)).toBe("ssh -N -L 8000:127.0.0.1:8000 -i key -p 1972 root@192.0.2.7");
    expect(await resolved(vllm.tokensPerSecond)).toBe(40);
    expect(await resolved(vllm.firstAnswer)).toBe("I am a model.");
    const own = registered.filter(({ name }) => /^chat(-|$)/.test(name));
    expect(own.map(({ type, name }) => `${type.split(":").at(-1)} ${name}`)).toEqual([
      "VllmServer chat",
      "SshKey chat-ssh",
      "Server chat-server",
      "Service chat-vllm",
      "HealthCheck chat-serves",
      "HealthCheck chat-answers",
    ]);
    expect(inputsOf("chat-server")).toMatchObject({ gpuCount: 1, minDiskGb: 36, maxPricePerDay: 6 });
    expect(inputsOf("chat-server")).not.toHaveProperty("ports");
    const options = "--max-model-len 8192 --gpu-memory-utilization 0.9";
    const service = inputsOf("chat-vllm")!;
    expect(service.process.command.join(" ")).toBe(
      `vllm serve Qwen/Qwen2.5-7B-Instruct --host 127.0.0.1 --port 8000 ${options}`,
    );
    expect(service.container).toMatchObject({ image: "vllm/vllm-openai:v0.17.1", gpus: "all" });
    expect(service.container).not.toHaveProperty("publish");
    expect(service.health).toEqual({ http: { port: 8000, path: "/health" }, timeoutSeconds: 3600 });
    expect(JSON.stringify(service.env)).not.toContain("hf_secret");
    expect(inputsOf("chat-answers")).toMatchObject({
      url: "http://127.0.0.1:8000/v1/completions",
      json: { model: "Qwen/Qwen2.5-7B-Instruct", max_tokens: 64 },
    });
  });

  test("in mode image takes the order's image, and supervises the vLLM that it finds there", async () => {
    const vllm = new VllmServer("image", { model: "google/gemma-3-4b-it", mode: "image", port: 9000 });
    await resolved(vllm.firstAnswer);
    expect(inputsOf("image-server")).toMatchObject({
      image: "vllm/vllm-openai:v0.17.1",
      autosshEntrypoint: true,
    });
    expect(inputsOf("image-vllm")).toMatchObject({ mode: "native", ports: [9000] });
  });

  test.each<{ name: string; args: VllmServerArgs; words: string[] }>([
    {
      name: "a tag of Ollama's",
      args: { model: "gemma3:4b", minVramGb: 12 },
      words: ["vllm.bad-model", "OllamaServer"],
    },
    {
      name: "a model of unknown size",
      args: { model: "mistralai/Mistral-7B-v0.3" },
      words: ["vllm.unknown-size", "minVramGb"],
    },
    {
      name: "a model on a GPU too small for it",
      args: { model: "google/gemma-3-27b-it", gpu: "RTX 3060" },
      words: ["catalog.model-does-not-fit", "are missing", "classes that hold it"],
    },
    {
      name: "a duration of more than an hour",
      args: { model: "google/gemma-3-4b-it", maxTimeToReady: "2h" },
      words: ["vllm.bad-duration"],
    },
  ])("$name is refused before anything is registered", async ({ args, words }) => {
    const make = () => new VllmServer("wrong", args);
    for (const word of [...words, "(nothing was rented)"]) expect(make).toThrow(word);
    expect(registered.filter(({ name }) => name.startsWith("wrong-"))).toEqual([]);
  });
});

describe("the room for a model", () => {
  const room = (model: string, more: Partial<Parameters<typeof vllmRoom>[0]> = {}) =>
    vllmRoom({ model, gpu: undefined, minVramGb: undefined, maxModelLen: 8192, ...more }, loadCatalog());

  test("is the catalog's where it knows the model, more with a longer context", () => {
    expect(room("google/gemma-3-4b-it")).toMatchObject({ minVramGb: 11, minDiskGb: 29, loadGb: 13.1 });
    expect(room("Qwen/Qwen2.5-7B-Instruct", { maxModelLen: 65536 }).minVramGb).toBeGreaterThan(
      room("Qwen/Qwen2.5-7B-Instruct").minVramGb - 1,
    );
  });

  test("is on no card before Ampere, which lacks bf16, unless that is named", () => {
    for (const more of [{}, { minVramGb: 11 }]) {
      expect(room("google/gemma-3-4b-it", more).gpu).toContain("RTX 3060");
      for (const old of ["GTX 1080 Ti", "RTX 2080 Ti", "Tesla V100"])
        expect(room("google/gemma-3-4b-it", more).gpu).not.toContain(old);
    }
    expect(room("google/gemma-3-4b-it", { gpu: "RTX 2080 Ti" }).gpu).toBe("RTX 2080 Ti");
  });

  test("is what was asked for otherwise, on any class with so much", () => {
    const asked = room("mistralai/Mistral-7B-v0.3", { minVramGb: 20 });
    expect(asked).toMatchObject({ minVramGb: 20, minDiskGb: 40, loadGb: 24.5 });
    expect(asked.gpu).toEqual(expect.arrayContaining(["RTX A4500", "RTX 3090"]));
    expect(asked.gpu).not.toContain("RTX 4080");
  });
});
