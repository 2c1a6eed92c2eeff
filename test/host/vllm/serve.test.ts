import { describe, expect, test } from "vitest";
import { firstCompletion, tokensPerSecond } from "../../../src/host/vllm/questions.ts";
import {
  VLLM_PORT,
  type VllmWant,
  vllmCommand,
  vllmContainerArguments,
} from "../../../src/host/vllm/serve.ts";

const gemma: VllmWant = { model: "google/gemma-3-4b-it", port: VLLM_PORT, maxModelLen: 8192 };

describe("how vLLM is started", () => {
  test.each<{ name: string; want: VllmWant; native: string; container: string }>([
    {
      name: "as it comes",
      want: gemma,
      native:
        "vllm serve google/gemma-3-4b-it --host 127.0.0.1 --port 8000 --max-model-len 8192 --gpu-memory-utilization 0.9",
      container:
        "--model google/gemma-3-4b-it --host 0.0.0.0 --port 8000 --max-model-len 8192 --gpu-memory-utilization 0.9",
    },
    {
      name: "with everything said",
      want: {
        model: "Qwen/Qwen2.5-7B-Instruct",
        port: 9000,
        maxModelLen: 32768,
        gpuMemoryUtilization: 0.8,
      },
      native:
        "vllm serve Qwen/Qwen2.5-7B-Instruct --host 127.0.0.1 --port 9000 --max-model-len 32768 --gpu-memory-utilization 0.8",
      container:
        "--model Qwen/Qwen2.5-7B-Instruct --host 0.0.0.0 --port 9000 --max-model-len 32768 --gpu-memory-utilization 0.8",
    },
  ])("$name", ({ want, native, container }) => {
    expect(vllmCommand(want).join(" ")).toBe(native);
    expect(vllmContainerArguments(want).join(" ")).toBe(container);
  });

  test.each(["gemma3:4b", "gemma", "--trust-remote-code/x", "a/b/c", "a/-b", "a/b c", ""])(
    "%j names no model",
    (model) => {
      const refused = expect.objectContaining({ code: "vllm.bad-model" });
      expect(() => vllmCommand({ ...gemma, model })).toThrow(refused);
      expect(() => vllmContainerArguments({ ...gemma, model })).toThrow(refused);
    },
  );
});

test("the speed is that of the tokens that were asked for, and no fewer can come", () => {
  const { max_tokens, min_tokens, ignore_eos } = firstCompletion("a/b");
  expect({ max_tokens, min_tokens, ignore_eos }).toEqual({
    max_tokens: 64,
    min_tokens: 64,
    ignore_eos: true,
  });
  expect(tokensPerSecond(2000)).toBe(32);
  expect(tokensPerSecond(1234)).toBe(51.9);
});
