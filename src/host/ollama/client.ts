import { type IncomingMessage, request } from "node:http";
import { z } from "zod";
import { systemClock } from "../../core/clock.ts";
import { CloreError, printable } from "../../core/errors.ts";
import type { SshConnection } from "../../ssh/types.ts";
import { dialWithin } from "../dial.ts";
import { httpOnHost } from "../http.ts";
import { oneAtATime } from "./one-at-a-time.ts";

/** Where Ollama listens unless told otherwise: on the host's loopback. */
export const OLLAMA_PORT = 11434;

/** A model that is on the server. */
export interface InstalledModel {
  tag: string;
  /** `sha256:…` of its manifest. */
  digest: string;
  sizeBytes: number;
}

/** A model that is in memory. */
export interface LoadedModel {
  tag: string;
  sizeBytes: number;
  /** How much of it is in VRAM: less than all of it means that the CPU has to help. */
  vramBytes: number;
}

/** What the server computed. */
export interface Generated {
  text: string;
  tokens: number;
  /** Time for these tokens alone, in seconds, as the server measured it. */
  seconds: number;
}

/** One line of a pull: a state, and for a part of the model how much of it is there. */
export interface PullEvent {
  status: string;
  digest?: string;
  total?: number;
  completed?: number;
  error?: string;
}

const installed = z.object({
  models: z
    .array(z.object({ name: z.string(), digest: z.string(), size: z.number() }))
    .nullish()
    .transform((models) => models ?? []),
});
const running = z.object({
  models: z
    .array(z.object({ name: z.string(), size: z.number(), size_vram: z.number().default(0) }))
    .nullish()
    .transform((models) => models ?? []),
});
const generated = z.object({
  response: z.string().default(""),
  thinking: z.string().optional(),
  eval_count: z.number().default(0),
  eval_duration: z.number().default(0),
});
const pullEvent = z.object({
  status: z.string().default(""),
  digest: z.string().optional(),
  total: z.number().optional(),
  completed: z.number().optional(),
  error: z.string().optional(),
});

/** Characters. A stranger's host must not fill our memory. */
const longestLine = 100_000;

/**
 * Ollama's API on a host, asked from inside over our own connection: it need not be public for that.
 * Every call throws CloreError `ollama.not-answering` when nothing listens, `ollama.refused` with Ollama's own words.
 */
export class OllamaClient {
  readonly #ssh: SshConnection;
  readonly #port: number;
  readonly #signal: AbortSignal | undefined;

  constructor(ssh: SshConnection, port: number = OLLAMA_PORT, signal?: AbortSignal) {
    this.#ssh = ssh;
    this.#port = port;
    this.#signal = signal;
  }

  async version(): Promise<string> {
    return (await this.#ask("GET", "/api/version", undefined, z.object({ version: z.string() }))).version;
  }

  async installed(): Promise<readonly InstalledModel[]> {
    const { models } = await this.#ask("GET", "/api/tags", undefined, installed);
    return models.map(({ name, digest, size }) => ({
      tag: name,
      digest: digest.startsWith("sha256:") ? digest : `sha256:${digest}`,
      sizeBytes: size,
    }));
  }

  async loaded(): Promise<readonly LoadedModel[]> {
    const { models } = await this.#ask("GET", "/api/ps", undefined, running);
    return models.map(({ name, size, size_vram }) => ({ tag: name, sizeBytes: size, vramBytes: size_vram }));
  }

  /** Asks a model; loads it when it is not loaded. `contextTokens` makes it be loaded with that context. */
  async generate(want: {
    tag: string;
    prompt: string;
    maxTokens: number;
    contextTokens?: number;
    timeoutMs: number;
  }): Promise<Generated> {
    const options = {
      num_predict: want.maxTokens,
      ...(want.contextTokens === undefined ? {} : { num_ctx: want.contextTokens }),
    };
    const body = { model: want.tag, prompt: want.prompt, stream: false, options };
    const answer = await this.#ask("POST", "/api/generate", body, generated, want.timeoutMs);
    return {
      text: printable(answer.response || answer.thinking || "").trim(),
      tokens: answer.eval_count,
      seconds: answer.eval_duration / 1e9,
    };
  }

  async copy(from: string, to: string): Promise<void> {
    const isDone = (models: readonly InstalledModel[]) => {
      const digests = [from, to].map((name) => models.find(({ tag }) => tag === name)?.digest);
      return digests[0] !== undefined && digests[0] === digests[1];
    };
    await this.#change("POST", "/api/copy", { source: from, destination: to }, isDone);
  }

  /** Removes a model. One that is not there is removed already. */
  async remove(tag: string): Promise<void> {
    const isDone = (models: readonly InstalledModel[]) => !models.some((model) => model.tag === tag);
    await this.#change("DELETE", "/api/delete", { model: tag }, isDone);
  }

  /**
   * Changes Ollama's list of models. It walks over all manifests and tidies folders without a lock: beside another
   * change or the end of a pull it fails half-way, or calls a model "not found" that is there (server/routes.go and
   * manifest/paths.go of 0.17). So ours go one after the other, and after a refusal its list tells.
   */
  async #change(
    method: string,
    path: string,
    body: unknown,
    isDone: (models: readonly InstalledModel[]) => boolean,
  ): Promise<void> {
    const orRefused = (error: unknown) => {
      if (error instanceof CloreError && error.code === "ollama.refused") return error;
      throw error;
    };
    await oneAtATime(`change ${this.#ssh.hostKey} ${this.#port}`, async () => {
      for (let left = 5; ; left--) {
        const answer = await this.#ask(method, path, body, z.unknown(), 60_000).catch(orRefused);
        if (!(answer instanceof CloreError)) return;
        const models = await this.installed().catch(orRefused);
        if (!(models instanceof CloreError) && isDone(models)) return;
        if (left === 0) throw answer;
        await systemClock.sleep(200, this.#signal);
      }
    });
  }

  /** Pulls a model, line by line. Leaving the loop ends the pull; the parts that are there are kept. */
  async *pull(want: { name: string; insecure: boolean }, signal: AbortSignal): AsyncGenerator<PullEvent> {
    const stream = await dialWithin(this.#ssh, { host: "127.0.0.1", port: this.#port }, signal);
    try {
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        const outgoing = request({
          createConnection: () => stream,
          host: "127.0.0.1",
          port: this.#port,
          path: "/api/pull",
          method: "POST",
          headers: { "content-type": "application/json", connection: "close" },
          signal,
        });
        outgoing.on("error", reject);
        outgoing.on("response", resolve);
        outgoing.end(JSON.stringify({ model: want.name, insecure: want.insecure, stream: true }));
      });
      for await (const line of linesOf(response)) {
        if (line !== "") yield pullEvent.parse(JSON.parse(line));
      }
    } finally {
      stream.destroy();
    }
  }

  async #ask<T>(
    method: string,
    path: string,
    body: unknown,
    schema: z.ZodType<T>,
    timeoutMs = 15_000,
  ): Promise<T> {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const response = await httpOnHost(this.#ssh, {
      port: this.#port,
      path,
      method,
      body: payload,
      headers: payload === undefined ? {} : jsonHeaders(payload),
      timeoutMs,
      signal: this.#signal,
    }).catch((cause: unknown) => {
      this.#signal?.throwIfAborted();
      throw cause instanceof CloreError ? notAnswering(`${method} ${path}`, cause) : cause;
    });
    if (response.status >= 300) {
      throw new CloreError("ollama.refused", {
        message: `Ollama answered ${method} ${path} with HTTP ${response.status}`,
        seen: printable(errorIn(response.body).slice(0, 1000)),
        retry: response.status >= 500 ? "later" : "no",
      });
    }
    const parsed = schema.safeParse(response.body === "" ? {} : jsonOrText(response.body));
    if (parsed.success) return parsed.data;
    throw new CloreError("ollama.bad-answer", {
      message: `what answered ${method} ${path} is not Ollama`,
      seen: printable(response.body.slice(0, 300)),
      hint: "another program may hold its port",
    });
  }
}

/** An answer cut in the middle ends with an error, as the stream itself does. */
async function* linesOf(response: IncomingMessage): AsyncGenerator<string> {
  let rest = "";
  response.setEncoding("utf8");
  for await (const piece of response as AsyncIterable<string>) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > longestLine) throw new Error("a line of the answer does not end");
    yield* lines;
  }
  yield rest;
}

function jsonHeaders(payload: string): Record<string, string> {
  return { "content-type": "application/json", "content-length": String(Buffer.byteLength(payload)) };
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function errorIn(body: string): string {
  const parsed = z.object({ error: z.string() }).safeParse(jsonOrText(body));
  return parsed.success ? parsed.data.error : body;
}

function notAnswering(what: string, cause: unknown): CloreError {
  return new CloreError("ollama.not-answering", {
    message: `Ollama does not answer on the host (${what})`,
    seen: cause instanceof CloreError ? (cause.seen ?? cause.message) : String(cause),
    hint: "look at the log of its service; the next `pulumi up` starts it again",
    retry: "later",
    cause,
  });
}
