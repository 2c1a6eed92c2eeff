/** Where the stand-in of the Gemini API listens, and where a tool has to. */
export interface Site {
  upstream: string;
  port: number;
  /** A folder of the tool's own. */
  work: string;
}

/** How a tool is started; its environment is nothing but this and `PATH`. */
export interface Start {
  command: readonly string[];
  env: Readonly<Record<string, string>>;
}

/** A proxy before the Gemini API, with its own words for the same question. */
export interface Tool {
  title: string;
  start: (site: Site) => Start;
  /** A path that answers 200 when it is up. */
  healthPath: string;
  question: (upstream: string) => Question;
  /** The answer's text, to be compared with what the stand-in said. */
  answerText: (body: unknown) => unknown;
  /** Whether it refuses a caller whose key it does not know. */
  checksKeys: boolean;
}

export interface Question {
  path: string;
  headers: Record<string, string>;
  body: string;
}

export const model = "gemini-3.1-flash-lite";

/** The key that callers of the proxies show, and the one that the proxies show upstream. */
export const callerKey = "sk-bench";
export const upstreamKey = "upstream";

/** What our proxy makes of `{ message }`, as a chat of OpenAI's API: all ask the same of the stand-in. */
export function openAiQuestion(key: string, headers: Record<string, string> = {}): Question {
  return {
    path: "/v1/chat/completions",
    headers: { ...headers, authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({
      model,
      messages: [
        { role: "system", content: "You are a helpful assistant." },
        { role: "user", content: "Say hello." },
      ],
      temperature: 0.7,
      max_tokens: 2048,
    }),
  };
}

export function openAiText(body: unknown): unknown {
  return (body as { choices: { message: { content: string } }[] }).choices[0]?.message.content;
}
