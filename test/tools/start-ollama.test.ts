import { expect, test } from "vitest";
import { ollamaConfig } from "../../tools/start/ollama.ts";

const freePort = async (wanted: number) => wanted + 1;

test("a stack's own mode counts on containers, which have what their order asks for", async () => {
  const config = await ollamaConfig({ machines: "docker", modelsUrlFromMachines: "http://m:1" }, freePort);
  expect(config).toEqual({ registry: "http://m:1", minVramShare: 0, minTokensPerSecond: 0 });
});

test("in a sandbox Ollama is a process on free ports: the Docker daemon there would be the user's", async () => {
  const config = await ollamaConfig({ machines: "sandbox", modelsUrlFromMachines: "http://m:1" }, freePort);
  expect(config).toMatchObject({ mode: "native", publicPort: 8081, ollamaPort: 11435 });
});
