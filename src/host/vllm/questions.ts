/** Exactly so many are generated, whatever the model would like, so that time tells the speed. */
const TOKENS = 64;

/** The first real prompt, as a body for `/v1/completions`; `ignore_eos` and `min_tokens` are vLLM's own. Pure. */
export function firstCompletion(model: string) {
  return {
    model,
    prompt: "In one short sentence: what are you?",
    max_tokens: TOKENS,
    min_tokens: TOKENS,
    ignore_eos: true,
    temperature: 0,
  };
}

/** Speed of {@link firstCompletion}, from the time it took from the request to the whole answer. Pure. */
export function tokensPerSecond(latencyMs: number): number {
  return Math.round((TOKENS / (latencyMs / 1000)) * 10) / 10;
}
