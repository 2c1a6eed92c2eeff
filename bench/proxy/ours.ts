import { callerKey, model, type Question, type Tool, upstreamKey } from "./tool.ts";

const question: Question = {
  path: "/chat",
  headers: { authorization: `Bearer ${callerKey}`, "content-type": "application/json" },
  body: JSON.stringify({ message: "Say hello." }),
};

/** The bundled proxy, as it is deployed (templates/proxy/Dockerfile): small young generation, access log on. */
export function ours(bundle: string): Tool {
  return {
    title: "ours",
    start: ({ upstream, port }) => ({
      command: [process.execPath, "--max-semi-space-size=2", bundle],
      env: {
        GOOGLE_API_KEY: upstreamKey,
        PROXY_API_KEYS: callerKey,
        UPSTREAM_BASE_URL: upstream,
        MODEL: model,
        PORT: String(port),
        HOST: "127.0.0.1",
      },
    }),
    healthPath: "/healthz",
    question: () => question,
    answerText: (body) => (body as { response: string }).response,
    checksKeys: true,
  };
}

const floorProgram = `
  const http = process.getBuiltinModule("http");
  const agent = new http.Agent({ keepAlive: true });
  http.createServer((request, response) => {
    const onward = http.request(process.env.UPSTREAM, { method: "POST", agent }, (reply) => {
      response.writeHead(reply.statusCode, reply.headers);
      reply.pipe(response);
    });
    request.pipe(onward);
  }).listen(Number(process.env.PORT), "127.0.0.1");`;

/** A bare node:http proxy that only forwards bytes: what any proxy on Node costs at least. */
export const floor: Tool = {
  title: "floor",
  start: ({ upstream, port }) => ({
    command: [process.execPath, "-e", floorProgram],
    env: { UPSTREAM: upstream, PORT: String(port) },
  }),
  healthPath: "/",
  question: () => question,
  answerText: geminiText,
  checksKeys: false,
};

function geminiText(body: unknown): unknown {
  const { candidates } = body as { candidates: { content: { parts: { text: string }[] } }[] };
  return candidates[0]?.content.parts[0]?.text;
}
