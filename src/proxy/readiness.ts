import type { Clock } from "../core/clock.ts";
import { ProxyError } from "./errors.ts";

/** How long a result stands, in milliseconds: probes come often, and each look is a call at the upstream. */
const goodForMs = 30_000;
const badForMs = 5_000;

/**
 * Whether the upstream can be used, looked up rarely and by one at a time.
 * Gives nothing when it can, or the failure. Because anybody may ask, the failure says what is wrong in our words:
 * the upstream's own text may name the project behind the key.
 */
export function readiness(check: () => Promise<void>, keyName: string, clock: Clock) {
  let known: { at: number; failure: ProxyError | undefined } | undefined;
  let looking: Promise<ProxyError | undefined> | undefined;

  async function look(): Promise<ProxyError | undefined> {
    const failure = await check().then(
      () => undefined,
      (error: unknown) => publicFailure(error, keyName),
    );
    known = { at: clock.now(), failure };
    looking = undefined;
    return failure;
  }

  return async (): Promise<ProxyError | undefined> => {
    if (known && clock.now() - known.at < (known.failure ? badForMs : goodForMs)) return known.failure;
    looking ??= look();
    return looking;
  };
}

function publicFailure(error: unknown, keyName: string): ProxyError {
  const code = error instanceof ProxyError ? error.code : "upstream.failed";
  const texts: Record<string, string> = {
    "upstream.key-refused": `not ready: the Gemini API refused the key in ${keyName}`,
    "upstream.model-unknown": "not ready: the Gemini API does not know the model in MODEL",
    "upstream.rate-limited": "not ready: the Gemini API is asked too often with this key",
    "upstream.timed-out": "not ready: the Gemini API did not answer in time",
    "upstream.unreachable": "not ready: the Gemini API could not be reached",
  };
  return new ProxyError(code, {
    status: 503,
    source: "upstream",
    upstreamStatus: error instanceof ProxyError ? error.upstreamStatus : undefined,
    message: texts[code] ?? "not ready: the Gemini API failed",
    cause: error,
  });
}
