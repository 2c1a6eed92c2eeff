import { ollamaStack } from "./ollama.ts";

/** A 7 B Qwen (Qwen 2.5; there is no 7 B Qwen 3.5) in an Ollama; everything else is in Pulumi.qwen-7b.yaml. */
export default ollamaStack;
