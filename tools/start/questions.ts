import { CloreError, printable } from "../../src/core/errors.ts";

/** What is asked of an endpoint once it is up, and how its answer is shown. */
export interface Question {
  title: string;
  ask(): Promise<string>;
}

/** A chat and a vision request through the deployed proxy. */
export function proxyQuestions(url: string, apiKey: string, imageUrl: string): Question[] {
  const post = async (path: string, body?: unknown): Promise<string> => {
    const response = await fetch(`${url}${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${apiKey}`, ...(body ? { "content-type": "application/json" } : {}) },
      body: body ? JSON.stringify(body) : undefined,
      signal: AbortSignal.timeout(90_000),
    });
    const text = await response.text();
    const answer = response.ok ? (JSON.parse(text) as { response?: string }).response : undefined;
    if (!answer) {
      throw new CloreError("start.no-answer", {
        message: `POST ${path.split("?")[0]} was answered with HTTP ${response.status}`,
        seen: printable(text.slice(0, 500)),
      });
    }
    return printable(answer);
  };
  const question = "In one sentence: what is infrastructure as code?";
  const prompt = "Describe this image.";
  return [
    { title: `POST /chat    "${question}"`, ask: () => post("/chat", { message: question }) },
    {
      title: `POST /vision  "${prompt}" ${imageUrl}`,
      ask: () =>
        post(`/vision?image_url=${encodeURIComponent(imageUrl)}&prompt=${encodeURIComponent(prompt)}`),
    },
  ];
}

/** A chat through the public door, as OpenAI's clients ask. */
export function ollamaQuestions(url: string, apiKey: string, model: string): Question[] {
  const prompt = "In one sentence: what is infrastructure as code?";
  return [
    {
      title: `POST /v1/chat/completions  ${model}  "${prompt}"`,
      async ask() {
        const response = await fetch(`${url}/v1/chat/completions`, {
          method: "POST",
          headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json" },
          body: JSON.stringify({ model, messages: [{ role: "user", content: prompt }], max_tokens: 128 }),
          signal: AbortSignal.timeout(180_000),
        });
        const text = await response.text();
        const body = response.ok
          ? (JSON.parse(text) as { choices?: { message?: { content?: string } }[] })
          : {};
        const answer = body.choices?.[0]?.message?.content?.trim();
        if (answer) return printable(answer);
        throw new CloreError("start.no-answer", {
          message: `POST /v1/chat/completions was answered with HTTP ${response.status}`,
          seen: printable(text.slice(0, 500)),
        });
      },
    },
  ];
}
