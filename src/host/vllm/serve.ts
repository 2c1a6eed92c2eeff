import { CloreError } from "../../core/errors.ts";

/** What is put on hosts, and the version of the image. Its wheel needs Python 3.10 to 3.13 (requires-python on PyPI). */
export const VLLM_VERSION = "0.17.1";
export const VLLM_IMAGE = `vllm/vllm-openai:v${VLLM_VERSION}`;
/** Of the API, on the host's loopback. */
export const VLLM_PORT = 8000;
/** vLLM's own default, by which the catalog counts too. */
const GPU_MEMORY_UTILIZATION = 0.9;

/** What vLLM is to serve. */
export interface VllmWant {
  /** Hugging Face id: `google/gemma-3-4b-it`. */
  model: string;
  port: number;
  /** Tokens of context per request: what the memory for them is set aside for. */
  maxModelLen: number;
  /** Share of each GPU's memory, 0 to 1. @default 0.9 */
  gpuMemoryUtilization?: number;
}

/**
 * The command line on the host itself; the program stands for wherever it is installed. It listens on loopback only.
 * Pure. @throws CloreError `vllm.bad-model`
 */
export function vllmCommand(want: VllmWant): string[] {
  checkModel(want.model);
  return ["vllm", "serve", want.model, "--host", "127.0.0.1", ...settings(want)];
}

/**
 * What follows the entry point of the image. Inside the container it listens everywhere: the container's port is
 * published on the host's loopback. Pure. @throws CloreError `vllm.bad-model`
 */
export function vllmContainerArguments(want: VllmWant): string[] {
  checkModel(want.model);
  return ["--model", want.model, "--host", "0.0.0.0", ...settings(want)];
}

function settings({ port, maxModelLen, gpuMemoryUtilization = GPU_MEMORY_UTILIZATION }: VllmWant): string[] {
  return [
    ...["--port", String(port)],
    ...["--max-model-len", String(maxModelLen)],
    ...["--gpu-memory-utilization", String(gpuMemoryUtilization)],
  ];
}

/** An id that begins with a dash would be an option, and Ollama's tags name nothing on Hugging Face. */
function checkModel(model: string): void {
  if (/^[A-Za-z0-9][\w.-]{0,95}\/[A-Za-z0-9][\w.-]{0,95}$/.test(model)) return;
  throw new CloreError("vllm.bad-model", {
    message: `"${model}" is no model id of Hugging Face`,
    hint: 'write owner/name, such as "google/gemma-3-4b-it"; tags such as gemma3:4b are Ollama\'s (OllamaServer)',
  });
}
