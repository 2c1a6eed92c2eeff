import { ollamaStack } from "./ollama.ts";

/** Gemma 3 12B in an Ollama; everything else is in Pulumi.gemma-12b.yaml. */
export default ollamaStack;
