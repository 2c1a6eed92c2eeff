import { ollamaStack } from "./ollama.ts";

/** Gemma 3 4B in an Ollama; everything else is in Pulumi.gemma-4b.yaml. */
export default ollamaStack;
