// The public door of an Ollama that listens on loopback: lets requests through that show a key, and only those that ask
// models something. Settings: PORT, OLLAMA_PORT, GATE_KEYS (comma-separated). No dependencies; Node 22 or newer.
import { createHash, timingSafeEqual } from "node:crypto";
import { createServer, request } from "node:http";

const { PORT = "8080", OLLAMA_PORT = "11434", GATE_KEYS = "" } = process.env;
const keys = GATE_KEYS.split(",").filter(Boolean).map(digest);
const allowed =
  /^\/(v1\/(chat\/completions|completions|embeddings|models(\/.+)?)|api\/(chat|generate|embed|embeddings|tags|version|ps|show))$/;
const mostBodyBytes = 32 * 1024 * 1024;
/** A request without a byte in either direction for so long is ended, in milliseconds: loading a model takes a while. */
const idleMs = 600_000;
if (keys.length === 0) {
  console.error("GATE_KEYS is empty: nobody could come in");
  process.exit(2);
}

function digest(text) {
  return createHash("sha256").update(text).digest();
}

function isKnown(authorization) {
  const shown = digest(/^bearer +(\S+)$/i.exec(authorization ?? "")?.[1] ?? "");
  return keys.filter((key) => timingSafeEqual(key, shown)).length > 0;
}

function refuse(response, status, code, message) {
  response.writeHead(status, { "content-type": "application/json", connection: "close" });
  response.end(JSON.stringify({ error: { code, message } }));
}

function pass(incoming, response, path) {
  const { authorization, host, connection, ...headers } = incoming.headers;
  const outgoing = request({
    host: "127.0.0.1",
    port: Number(OLLAMA_PORT),
    path,
    method: incoming.method,
    headers,
  });
  outgoing.setTimeout(idleMs, () => outgoing.destroy(new Error("no answer in time")));
  outgoing.on("response", (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.on("error", () => response.destroy());
    answer.pipe(response);
  });
  outgoing.on("error", (error) => {
    if (response.headersSent) response.destroy();
    else refuse(response, 502, "gate.no-ollama", `Ollama does not answer: ${error.message}`);
  });
  response.on("close", () => outgoing.destroy());
  let bytes = 0;
  incoming.on("data", (chunk) => {
    bytes += chunk.length;
    if (bytes <= mostBodyBytes) return;
    outgoing.destroy();
    if (!response.headersSent) refuse(response, 413, "gate.too-large", "the request is larger than 32 MiB");
  });
  incoming.pipe(outgoing);
}

const server = createServer({ requestTimeout: 60_000 }, (incoming, response) => {
  const path = (incoming.url ?? "/").split("?")[0];
  if (path === "/healthz") return response.end("ok\n");
  if (!isKnown(incoming.headers.authorization))
    return refuse(
      response,
      401,
      "auth.wrong",
      "a key is needed: send the header Authorization: Bearer <key>",
    );
  if (!allowed.test(path))
    return refuse(response, 403, "gate.not-public", `${path} is not to be had from outside`);
  pass(incoming, response, incoming.url);
});
server.listen(Number(PORT), "0.0.0.0", () =>
  console.log(`listening on ${PORT}, for Ollama on ${OLLAMA_PORT}`),
);
process.on("SIGTERM", () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
