import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { configuredCatalog } from "../../catalog/load.ts";
import { tinyModel } from "./tiny.ts";

/** What can be wrong with the model's data. Each strikes the next `times` requests for it. */
export type RegistryFault =
  | { name: "slow"; bytesPerSecond: number; times?: number }
  /** So many bytes, then silence on an open connection. */
  | { name: "stalled"; afterBytes: number; times?: number }
  /** So many bytes, then the connection ends. */
  | { name: "cut"; afterBytes: number; times?: number }
  /** The right length with a wrong byte. */
  | { name: "corrupt"; times?: number };

export interface ModelRegistryOptions {
  /** Addresses to listen on, all with one port. @default ["127.0.0.1"] */
  host?: readonly string[];
  /** 0 takes a free one. @default 0 */
  port?: number;
  /** @default every Ollama model of the catalog */
  tags?: readonly string[];
}

/** One request for the model's data. */
export interface DataRequest {
  /** First byte asked for: above 0 where a pull goes on from what it has. */
  from: number;
  sentBytes: number;
}

export interface ModelRegistry extends AsyncDisposable {
  /** `http://127.0.0.1:<port>` */
  url: string;
  port: number;
  /** Bytes of the model's data. */
  modelBytes: number;
  /** What `/api/tags` of an Ollama says of a model that was pulled from here. */
  digestOf(tag: string): string;
  /** Publishes the tag anew, with another digest. */
  revise(tag: string): void;
  order(fault: RegistryFault): void;
  clear(): void;
  dataRequests: readonly DataRequest[];
  close(): Promise<void>;
}

/**
 * A local registry that speaks the pull protocol (manifests; blobs by redirect; ranges) and has one tiny stand-in model
 * under the catalog's tags. The model says what it is, in its details and in everything that it answers.
 * @example await using registry = await startModelRegistry(); // then pull "127.0.0.1:<port>/library/gemma3:4b", insecure
 */
export async function startModelRegistry(options: ModelRegistryOptions = {}): Promise<ModelRegistry> {
  const tags = new Map((options.tags ?? catalogTags()).map((tag) => [tag, 1]));
  const model = tinyModel();
  const modelDigest = digest(model);
  const blobs = new Map([[modelDigest, model]]);
  const faults: (RegistryFault & { left: number })[] = [];
  const dataRequests: DataRequest[] = [];
  const servers: Server[] = [];
  const closing = new AbortController();

  function manifestOf(tag: string): string | undefined {
    const revision = tags.get(tag);
    return revision === undefined ? undefined : manifest(tag, revision, model, blobs);
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://registry");
    const [, repository, wanted] = /^\/v2\/library\/([^/]+)\/manifests\/([^/]+)$/.exec(url.pathname) ?? [];
    if (repository !== undefined) {
      const text = manifestOf(`${repository}:${wanted}`);
      if (text === undefined) return answer(response, 404, notFound("MANIFEST_UNKNOWN"));
      return answer(response, 200, text, "application/vnd.docker.distribution.manifest.v2+json");
    }
    const [, place, hash] =
      /^\/(v2\/library\/[^/]+\/blobs|data)\/(sha256:[0-9a-f]{64})$/.exec(url.pathname) ?? [];
    const blob = blobs.get(hash ?? "");
    if (!blob) return answer(response, 404, notFound("BLOB_UNKNOWN"));
    if (request.method === "HEAD") {
      response.writeHead(200, { "content-length": blob.length }).end();
    } else if (place === "data") {
      await sendData(request, response, blob, hash === modelDigest);
    } else {
      // A pull takes the data's address from this redirect, and follows it only to another host name.
      response.writeHead(307, { location: `http://${otherName(request)}/data/${hash}` }).end();
    }
  }

  async function sendData(
    request: IncomingMessage,
    response: ServerResponse,
    blob: Buffer,
    isModel: boolean,
  ) {
    const [, first = "0", last] = /^bytes=(\d+)-(\d+)?$/.exec(request.headers.range ?? "") ?? [];
    const from = Number(first);
    const part = blob.subarray(from, last === undefined ? undefined : Number(last) + 1);
    const entry = { from, sentBytes: 0 };
    const fault = isModel ? faults.find(({ left }) => left > 0) : undefined;
    if (fault) fault.left--;
    if (isModel) dataRequests.push(entry);
    response.writeHead(206, {
      "content-length": part.length,
      "content-range": `bytes ${from}-${from + part.length - 1}/${blob.length}`,
    });
    const send = (bytes: Buffer) => {
      entry.sentBytes += bytes.length;
      response.write(bytes);
    };
    if (fault?.name === "slow") {
      const step = Math.max(1, Math.round(fault.bytesPerSecond / 10));
      for (let at = 0; at < part.length && !response.destroyed; at += step) {
        send(part.subarray(at, at + step));
        await delay(100, undefined, { signal: closing.signal });
      }
    } else if (fault?.name === "stalled") {
      return send(part.subarray(0, fault.afterBytes));
    } else if (fault?.name === "cut") {
      send(part.subarray(0, fault.afterBytes));
      // A whole end of the connection, not a reset: what was sent has arrived.
      return void setTimeout(() => response.socket?.end(), 100);
    } else if (fault?.name === "corrupt") {
      const wrong = Buffer.from(part);
      wrong.writeUInt8(wrong.readUInt8(wrong.length - 1) ^ 0xff, wrong.length - 1);
      send(wrong);
    } else {
      send(part);
    }
    response.end();
  }

  const close = async () => {
    closing.abort();
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    }
  };
  let port = options.port ?? 0;
  for (const host of options.host ?? ["127.0.0.1"]) {
    const server = createServer((request, response) => {
      serve(request, response).catch(() => response.destroy());
    });
    servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, resolve);
    });
    port = (server.address() as AddressInfo).port;
  }
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    modelBytes: model.length,
    digestOf: (tag) => digest(Buffer.from(manifestOf(tag) ?? "")),
    revise: (tag) => void tags.set(tag, (tags.get(tag) ?? 0) + 1),
    order: (fault) => void faults.push({ ...fault, left: fault.times ?? Number.POSITIVE_INFINITY }),
    clear: () => void faults.splice(0),
    dataRequests,
    close,
    [Symbol.asyncDispose]: close,
  };
}

function catalogTags(): string[] {
  return configuredCatalog().models.flatMap(({ tag, runtime }) => (runtime === "ollama" ? [tag] : []));
}

/** Threads that wait for each other on a busy machine make so small a model a hundred times slower. */
const parameters = JSON.stringify({ num_thread: 1 });

/** The text that Ollama itself would write: same order of keys, so same digest. */
function manifest(tag: string, revision: number, model: Buffer, blobs: Map<string, Buffer>): string {
  const [family, size = ""] = tag.split(":");
  const config = Buffer.from(
    JSON.stringify({
      model_format: "gguf",
      model_family: "llama",
      model_families: ["llama"],
      model_type: `stand-in for ${family} ${size}, revision ${revision}`,
      file_type: "F32",
      architecture: "amd64",
      os: "linux",
      rootfs: { type: "layers", diff_ids: [digest(model)] },
    }),
  );
  const layer = (kind: string, bytes: Buffer) => {
    blobs.set(digest(bytes), bytes);
    return { mediaType: `application/vnd.ollama.image.${kind}`, digest: digest(bytes), size: bytes.length };
  };
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: "application/vnd.docker.distribution.manifest.v2+json",
    config: {
      ...layer("config", config),
      mediaType: "application/vnd.docker.container.image.v1+json",
    },
    layers: [layer("model", model), layer("params", Buffer.from(parameters))],
  });
}

function digest(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** The same address under another name: `127.0.0.1` is also `::ffff:127.0.0.1`. */
function otherName(request: IncomingMessage): string {
  const { hostname, port } = new URL(`http://${request.headers.host}`);
  if (/^[\d.]+$/.test(hostname)) return `[::ffff:${hostname}]:${port}`;
  return `${request.socket.localAddress?.replace(/^::ffff:/, "")}:${port}`;
}

function notFound(code: string): string {
  return JSON.stringify({ errors: [{ code, message: "not in this local stand-in of a model registry" }] });
}

function answer(response: ServerResponse, status: number, body: string, kind = "application/json"): void {
  response.writeHead(status, { "content-type": kind, "content-length": Buffer.byteLength(body) }).end(body);
}
