import { z } from "zod";
import { askOnce, type HealthQuestion } from "../health/ask.ts";
import { waitHealthy } from "../health/wait.ts";
import { type ConnectionInputs, connectionSchema, sameMachine } from "./connection.ts";
import { type Call, type Handler, inputChanges } from "./handler.ts";
import { withoutSecrets } from "./redact.ts";
import { stable } from "./rpc/values.ts";

const inputs = z.strictObject({
  url: z.url({ protocol: /^https?$/, error: "should be an http(s) address" }),
  method: z.enum(["GET", "POST"], { error: "should be GET or POST" }).optional(),
  headers: z.record(z.string(), z.string()).optional(),
  secretHeaders: z.record(z.string(), z.string()).optional(),
  json: z.unknown().optional(),
  expect: z
    .strictObject({
      status: z.int().min(100).max(599).optional(),
      jsonText: z.string().min(1).optional(),
      contains: z.string().min(1).optional(),
      withinMs: z.number().positive().optional(),
    })
    .optional(),
  timeoutSeconds: z.number().min(1).max(3600).default(60),
  triggers: z.array(z.unknown()).optional(),
  connection: connectionSchema.optional(),
});
type Inputs = z.infer<typeof inputs>;
type State = { status: number; latencyMs: number; answer: string; checkedAt: string; healthy: boolean };

/** A real request; its last right answer is the state. */
export const healthCheck: Handler<Inputs, State> = {
  inputs,
  rules({ url, connection }) {
    if (!connection || !url) return [];
    const { hostname, protocol } = new URL(url);
    if (protocol === "http:" && ["127.0.0.1", "localhost", "[::1]"].includes(hostname)) return [];
    return [
      {
        path: "url",
        problem: `asked from inside, it should begin with http://127.0.0.1, not ${protocol}//${hostname}`,
      },
    ];
  },
  secretOutputs: [],
  changes({ inputs: recorded, state }, want) {
    const changes = inputChanges(
      recorded,
      want,
      (path) => (path === "timeoutSeconds" ? "ignore" : "update"),
      (a, b) => stable(a) === stable(b) || sameMachineOrNot(a, b),
    );
    if (state.healthy === false) changes.push({ path: "status", kind: "update", drift: true });
    return changes;
  },
  async create(want, call) {
    return { id: `check-${crypto.randomUUID().slice(0, 8)}`, state: await ensure(want, call) };
  },
  update: (_id, want, _known, call) => ensure(want, call),
  async read(id, known, recorded, call) {
    if (!known || !recorded) return undefined;
    const seen = await askOnce(question(recorded), { ...io(recorded, call), timeoutMs: 15_000 });
    if (!seen.ok) call.log.warn(`no right answer now: ${withoutSecrets(seen.seen, recorded)}`);
    return { id, inputs: recorded, state: seen.ok ? stateOf(seen, recorded) : { ...known, healthy: false } };
  },
  async remove() {},
};

/** Any two connections to one machine are the same to a question. */
function sameMachineOrNot(a: unknown, b: unknown): boolean {
  const isConnection = (value: unknown): value is ConnectionInputs =>
    connectionSchema.safeParse(value).success;
  return isConnection(a) && isConnection(b) && sameMachine(a, b);
}

async function ensure(want: Inputs, call: Call): Promise<State> {
  const answer = await waitHealthy(question(want), {
    ...io(want, call),
    deadlineMs: want.timeoutSeconds * 1000,
    onLook: (seen, waitedMs) =>
      call.log.status(
        `asking ${new URL(want.url).pathname}: ${withoutSecrets(seen, want)} (${Math.round(waitedMs / 1000)} s)`,
      ),
  });
  call.log.status(`answered ${answer.status} in ${answer.latencyMs} ms`);
  return stateOf(answer, want);
}

function stateOf(seen: { status: number; latencyMs: number; answer: string }, asked: Inputs): State {
  const { status, latencyMs } = seen;
  // An endpoint can echo the key that it was asked with, and this is no secret output.
  const answer = withoutSecrets(seen.answer, asked);
  return { status, latencyMs, answer, checkedAt: new Date().toISOString(), healthy: true };
}

function question(want: Inputs): HealthQuestion {
  const { url, method, json, expect, headers, secretHeaders } = want;
  return {
    url,
    method: method ?? (json === undefined ? "GET" : "POST"),
    json,
    expect: expect ?? {},
    headers: { ...headers, ...secretHeaders },
  };
}

function io(want: Inputs, call: Call) {
  const { connection } = want;
  return {
    signal: call.signal,
    /** From inside: the socket is a channel of the server's SSH connection. */
    ssh: connection
      ? () => call.plugin.ssh.acquire(connection, { deadlineMs: 30_000, signal: call.signal })
      : undefined,
  };
}
