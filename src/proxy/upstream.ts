// The web build: the Node build brings google-auth-library and ws along (for Vertex AI and live sessions).
import { GoogleGenAI, type Part } from "@google/genai/web";
import type { ProxyConfig } from "./config.ts";
import { withDeadline } from "./deadline.ts";
import { ProxyError } from "./errors.ts";
import { failureOf } from "./upstream-failure.ts";

/** What is asked of the model. */
export interface Question {
  parts: Part[];
  systemPrompt?: string;
  temperature?: number;
  maxTokens?: number;
}

export interface Answer {
  text: string;
  /** Tokens read and written (thinking included: it is billed as output); absent when the upstream did not say. */
  tokensIn?: number;
  tokensOut?: number;
}

export interface Upstream {
  /** @throws ProxyError `upstream.*` (429, 502, 504), `client.gone` when the signal aborts */
  ask(question: Question, signal: AbortSignal): Promise<Answer>;
  /** Whether the key works and the model is there, without a token being spent. @throws as `ask` does */
  check(): Promise<void>;
}

/** Longest time for a readiness check, in milliseconds. */
const checkTimeoutMs = 10_000;

/** The Gemini API at Google, CometAPI, or anything that speaks it, through `@google/genai`. */
export function geminiUpstream(config: ProxyConfig): Upstream {
  const { model } = config;
  const { models } = new GoogleGenAI({
    apiKey: config.upstreamKey.reveal(),
    httpOptions: {
      baseUrl: config.upstreamBaseUrl,
      apiVersion: "v1beta",
      fetch: async (input, init) => {
        // Redirects are not followed: the key travels in a header that fetch would hand on to the next host.
        const response = await fetch(input as string, { ...init, redirect: "manual" });
        // Thrown here and not by the library, which drops the headers (Retry-After).
        if (!response.ok) throw await failureOf(response, config);
        return response;
      },
    },
  });

  return {
    ask: (question, signal) =>
      bounded(config.upstreamTimeoutMs, signal, async (abortSignal) => {
        const reply = await models.generateContent({
          model,
          contents: [{ role: "user", parts: question.parts }],
          config: {
            abortSignal,
            systemInstruction: question.systemPrompt || undefined,
            temperature: question.temperature,
            maxOutputTokens: question.maxTokens,
          },
        });
        const candidate = reply.candidates?.[0];
        const parts = candidate?.content?.parts ?? [];
        const text = parts.map((part) => (part.thought ? "" : (part.text ?? ""))).join("");
        if (text === "") {
          const reason = reply.promptFeedback?.blockReason ?? candidate?.finishReason ?? "no reason given";
          throw new ProxyError("upstream.no-text", {
            status: 502,
            source: "upstream",
            upstreamStatus: 200,
            message: `the model answered without text (${reason})`,
          });
        }
        const usage = reply.usageMetadata;
        return {
          text,
          tokensIn: usage?.promptTokenCount,
          tokensOut: usage && (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0),
        };
      }),
    check: () =>
      bounded(Math.min(checkTimeoutMs, config.upstreamTimeoutMs), undefined, async (abortSignal) => {
        try {
          await models.get({ model, config: { abortSignal } });
        } catch (error) {
          if (!(error instanceof ProxyError && error.upstreamStatus === 404)) throw error;
          // Gateways that speak Gemini often list models but cannot be asked for one.
          for await (const listed of await models.list({ config: { abortSignal, pageSize: 1000 } })) {
            if (listed.name?.replace(/^models\//, "") === model) return;
          }
          throw error;
        }
      }),
  };
}

/** Runs one exchange within its time, and gives everything that goes wrong with it a code. */
function bounded<T>(
  timeoutMs: number,
  client: AbortSignal | undefined,
  exchange: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const failed = (code: string, status: 502 | 504, message: string, cause?: unknown) =>
    new ProxyError(code, { status, source: "upstream", message, cause });
  const late = () =>
    failed("upstream.timed-out", 504, `the Gemini API did not answer within ${timeoutMs / 1000} s`);
  return withDeadline(timeoutMs, client, late, async (signal) => {
    try {
      return await exchange(signal);
    } catch (cause) {
      if (cause instanceof ProxyError || signal.aborted) throw cause;
      if (cause instanceof SyntaxError) {
        throw failed(
          "upstream.not-json",
          502,
          "the Gemini API answered with something that is no JSON",
          cause,
        );
      }
      const reason = `the Gemini API could not be reached (${causeCode(cause)})`;
      throw failed("upstream.unreachable", 502, reason, cause);
    }
  });
}

/** `fetch failed` says nothing; the code beneath it does. */
function causeCode(error: unknown): string {
  const inner = (error as { cause?: { code?: unknown } } | undefined)?.cause?.code;
  return typeof inner === "string" ? inner : "connection failed";
}
