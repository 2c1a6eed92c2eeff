import { ollamaStack } from "./ollama.ts";

/** Gemma 3 27B in an Ollama; everything else is in Pulumi.gemma-27b.yaml. */
export default ollamaStack;
