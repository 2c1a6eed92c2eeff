/** Price of an API's tokens, in USD per million. */
export interface TokenPrice {
  inputPerMillionUsd: number;
  outputPerMillionUsd: number;
}

/** Gemini 3.1 Flash-Lite at Google and at CometAPI. Source: the sellers' price lists, March 2026. */
export const geminiFlashLitePrices = {
  google: { inputPerMillionUsd: 0.25, outputPerMillionUsd: 1.5 },
  cometapi: { inputPerMillionUsd: 0.2, outputPerMillionUsd: 1.2 },
} as const satisfies Record<string, TokenPrice>;

/**
 * What so many tokens cost, in USD. Input and output have prices of their own: one price for their sum is always wrong.
 * @example tokenCostUsd({ input: 750e6, output: 250e6 }, geminiFlashLitePrices.google) // 562.5
 */
export function tokenCostUsd(tokens: { input: number; output: number }, price: TokenPrice): number {
  return (tokens.input * price.inputPerMillionUsd + tokens.output * price.outputPerMillionUsd) / 1e6;
}
