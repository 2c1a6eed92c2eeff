import * as pulumi from "@pulumi/pulumi";
import { beforeAll, beforeEach, expect, test } from "vitest";
import { OllamaServer, type OllamaServerArgs } from "../../src/components/ollama-server.ts";
import { Server } from "../../src/resources/server.ts";

/** What was registered, in the order in which it was. */
let registered: pulumi.runtime.MockResourceArgs[];

beforeEach(() => {
  registered = [];
});
beforeAll(async () => {
  await pulumi.runtime.setMocks({
    call: () => expect.unreachable("nothing is to be called"),
    newResource(args) {
      registered.push(args);
      const outputs: Record<string, Record<string, unknown>> = {
        "clore:index:Server": {
          address: "192.0.2.7",
          port: 2222,
          user: "root",
          httpUrl: "https://x.example",
          facts: { gpus: [{ name: "RTX 3060" }] },
          connection: { address: "192.0.2.7" },
        },
        "clore:index:Model": {
          model: args.inputs.tag,
          tokensPerSecond: args.inputs.tag === "gemma3:4b" ? 90 : 40,
          firstAnswer: "hi",
          digest: "sha256:aa",
        },
        "clore:index:ApiKey": { key: "sk" },
        "clore:index:Service": { revision: "r1" },
        "clore:index:HealthCheck": { status: 200 },
        "clore:index:SshKey": { publicKey: "pub", privateKey: "priv" },
      };
      return { id: args.name, state: { ...args.inputs, ...outputs[args.type] } };
    },
  });
});

const known = <T>(output: pulumi.Output<T>): Promise<T> =>
  new Promise((resolve) => void output.apply((value) => resolve(value)));

/** Makes the component and waits until all of it is registered. */
async function make(args: OllamaServerArgs) {
  const made = new OllamaServer("chat", args);
  await Promise.all([...made.models.map((model) => known(model.urn)), made.url && known(made.url)]);
  const inputsOf = (type: string) =>
    registered.filter((one) => one.type === `clore:index:${type}`).map(({ inputs }) => inputs);
  const serviceOf = (name: string) => inputsOf("Service").find((inputs) => inputs.name === name);
  return { made, inputsOf, serviceOf };
}

test("rents room for the model, serves it on loopback behind a door with a key, and asks it from outside", async () => {
  const { made, inputsOf, serviceOf } = await make({
    model: "gemma3:4b",
    rent: { maxPricePerDay: 3, lease: "8h" },
  });
  expect(inputsOf("Server")).toMatchObject([
    {
      gpu: expect.arrayContaining(["RTX 3060", "RTX 3090", "RTX 4090"]),
      minVramGb: 4.6,
      minDiskGb: 16,
      loadGb: 4.7,
      maxPricePerDay: 3,
      lease: "8h",
      ports: { "8080": "http" },
    },
  ]);
  expect(serviceOf("ollama")).toMatchObject({ mode: "auto", ports: [11434] });
  expect(serviceOf("ollama-gate")).toMatchObject({ mode: "native", ports: [8080] });
  expect(inputsOf("Model")).toMatchObject([{ tag: "gemma3:4b", port: 11434 }]);
  expect(inputsOf("HealthCheck")).toMatchObject([{ url: "https://x.example/v1/chat/completions" }]);
  expect(await known(made.url!)).toBe("https://x.example");
  expect(await known(made.tunnel)).toBe("ssh -N -L 11434:127.0.0.1:11434 -i key -p 2222 root@192.0.2.7");
});

test("as image the order itself is Ollama: no service of ours runs it, and its port is not published", async () => {
  const { inputsOf } = await make({
    model: "gemma3:4b",
    mode: "image",
    port: 11500,
    contextLength: 8192,
    parallel: 2,
    publicPort: false,
    rent: { lease: "8h" },
  });
  expect(inputsOf("Server")).toMatchObject([
    {
      image: expect.stringMatching(/^ollama\/ollama:\d/),
      autosshEntrypoint: true,
      ports: {},
      command: expect.stringContaining("ollama serve"),
      env: {
        OLLAMA_HOST: "127.0.0.1:11500",
        OLLAMA_KEEP_ALIVE: "-1",
        OLLAMA_NOPRUNE: "1",
        OLLAMA_NUM_PARALLEL: "2",
        OLLAMA_CONTEXT_LENGTH: "8192",
      },
    },
  ]);
  expect(inputsOf("Service")).toEqual([]);
  expect(inputsOf("HealthCheck")).toEqual([]);
});

test("as image of one's own it is kept, with settings of one's own, and listens on loopback all the same", async () => {
  const { inputsOf } = await make({
    model: "gemma3:4b",
    mode: "image",
    publicPort: false,
    rent: {
      lease: "8h",
      image: "me/ollama:1",
      env: { OLLAMA_DEBUG: "1", OLLAMA_KEEP_ALIVE: "5m", OLLAMA_HOST: "0.0.0.0" },
    },
  });
  const [server] = inputsOf("Server");
  expect(server).toMatchObject({ image: "me/ollama:1", autosshEntrypoint: true });
  expect(server?.env).toEqual({
    OLLAMA_DEBUG: "1",
    OLLAMA_KEEP_ALIVE: "5m",
    OLLAMA_HOST: "127.0.0.1:11434",
    OLLAMA_NOPRUNE: "1",
    OLLAMA_NUM_PARALLEL: "1",
  });
});

test("containers get the GPUs of a host that has some", async () => {
  const { serviceOf } = await make({ model: "gemma3:4b", mode: "docker", rent: { lease: "8h" } });
  expect(serviceOf("ollama")).toMatchObject({
    mode: "docker",
    container: { image: expect.stringMatching(/^ollama\/ollama:\d/), gpus: "if-any" },
  });
});

test("several models share the server; the speed told is that of the slowest", async () => {
  const { made, inputsOf, serviceOf } = await make({
    model: ["gemma3:4b", "qwen2.5:7b"],
    parallel: 2,
    rent: { lease: "8h" },
  });
  expect(inputsOf("Server")).toHaveLength(1);
  expect(inputsOf("Model").map(({ tag }) => tag)).toEqual(["gemma3:4b", "qwen2.5:7b"]);
  expect(serviceOf("ollama")?.env).toMatchObject({ OLLAMA_NUM_PARALLEL: "2", OLLAMA_NOPRUNE: "1" });
  expect(await known(made.tokensPerSecond)).toBe(40);
});

test("with onSlow replace the server proves itself before it is kept, with just what is asked of it later", async () => {
  const args = { model: ["gemma3:4b", "qwen2.5:7b"], minTokensPerSecond: 30, rent: { lease: "8h" } };
  const { inputsOf, serviceOf } = await make({ ...args, onSlow: "replace" });
  const without = ({ connection: _, triggers: __, ...rest }: Record<string, unknown> = {}) => rest;
  expect(inputsOf("Server")[0]?.trial).toEqual({
    services: [without(serviceOf("ollama"))],
    models: inputsOf("Model").map(without),
  });
  registered = [];
  expect((await make(args)).inputsOf("Server")[0]).not.toHaveProperty("trial");
});

/** Registered when it is given back: it must not turn up in the next test. */
async function ownServer(): Promise<Server> {
  const server = new Server("own", { sshKey: { privateKey: "k" }, address: "192.0.2.7" });
  await known(server.urn);
  return server;
}

test("a server that was handed in is not ours to replace", async () => {
  const server = await ownServer();
  expect(() => new OllamaServer("chat", { model: "gemma3:4b", server, onSlow: "replace" })).toThrow(
    /input\.invalid: onSlow: "replace" means nothing/,
  );
});

test("an image is chosen with the order, so a server that was handed in cannot have one", async () => {
  const server = await ownServer();
  expect(() => new OllamaServer("chat", { model: "gemma3:4b", server, mode: "image" })).toThrow(
    /input\.invalid: mode: "image" means nothing on a server that was handed in[\s\S]*nothing was rented/,
  );
});

test("the port of the public door is not Ollama's own", () => {
  expect(() => new OllamaServer("chat", { model: "gemma3:4b", port: 8080, rent: { lease: "8h" } })).toThrow(
    /input\.invalid: port and publicPort are both 8080/,
  );
  expect(registered).toEqual([]);
});

test("what cannot fit ends the program before a server is asked for", () => {
  expect(
    () => new OllamaServer("chat", { model: "gemma3:27b", gpu: "RTX 3060", rent: { lease: "8h" } }),
  ).toThrow(/catalog\.model-does-not-fit: gemma3:27b needs .* are missing[\s\S]*nothing was rented/);
  expect(registered.filter(({ type }) => type === "clore:index:Server")).toEqual([]);
});
