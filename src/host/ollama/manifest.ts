import { createHash } from "node:crypto";
import { type IncomingMessage, request as plainRequest } from "node:http";
import { request as tlsRequest } from "node:https";
import { connect as startTls } from "node:tls";
import { z } from "zod";
import { CloreError, printable } from "../../core/errors.ts";
import type { SshConnection } from "../../ssh/types.ts";
import { dialWithin } from "../dial.ts";
import type { ModelReference } from "./reference.ts";

/** What a registry says of a model before anything is pulled. */
export interface RegistryModel {
  /** The digest that `/api/tags` shows once it is pulled. */
  digest: string;
  sizeBytes: number;
}

const layer = z.looseObject({ mediaType: z.string(), digest: z.string(), size: z.number().nonnegative() });
const manifest = z.looseObject({
  schemaVersion: z.number(),
  mediaType: z.string(),
  config: layer,
  layers: z.array(layer),
});
const most = 1024 * 1024;

/**
 * Asks the registry from the host, over our own connection: the line and the name server that count are the host's.
 * `undefined`: the registry has no such tag.
 * @throws CloreError `model.registry-unreachable`
 */
export async function readManifest(
  ssh: SshConnection,
  reference: ModelReference,
  options: { timeoutMs: number; signal?: AbortSignal },
): Promise<RegistryModel | undefined> {
  const url = new URL(`/v2/${reference.repository}/manifests/${reference.version}`, reference.registry);
  try {
    const { status, body } = await get(ssh, url, options);
    if (status === 404) return undefined;
    if (status !== 200) throw new Error(`HTTP ${status}: ${body.slice(0, 200)}`);
    return summary(body);
  } catch (cause) {
    options.signal?.throwIfAborted();
    throw new CloreError("model.registry-unreachable", {
      message: `the registry ${url.host} does not tell the host what ${reference.tag} is`,
      seen: printable(cause instanceof Error ? cause.message : String(cause)),
      retry: "later",
      cause,
    });
  }
}

/** Size and digest of a manifest's text. Ollama keeps it written anew, so the digest is that of its own writing. */
export function summary(text: string): RegistryModel {
  const { schemaVersion, mediaType, config, layers } = manifest.parse(JSON.parse(text));
  const own = (one: z.infer<typeof layer>) => ({
    mediaType: one.mediaType,
    digest: one.digest,
    size: one.size,
    ...(typeof one.from === "string" && one.from !== "" ? { from: one.from } : {}),
    ...(typeof one.name === "string" && one.name !== "" ? { name: one.name } : {}),
  });
  const written = JSON.stringify({ schemaVersion, mediaType, config: own(config), layers: layers.map(own) });
  return {
    digest: `sha256:${createHash("sha256").update(written).digest("hex")}`,
    sizeBytes: [config, ...layers].reduce((sum, { size }) => sum + size, 0),
  };
}

async function get(
  ssh: SshConnection,
  url: URL,
  options: { timeoutMs: number; signal?: AbortSignal },
): Promise<{ status: number; body: string }> {
  const secure = url.protocol === "https:";
  const timeout = AbortSignal.timeout(options.timeoutMs);
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const stream = await dialWithin(ssh, { host, port: Number(url.port || (secure ? 443 : 80)) }, signal);
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const outgoing = (secure ? tlsRequest : plainRequest)(url, {
        createConnection: () => (secure ? startTls({ socket: stream, servername: url.hostname }) : stream),
        headers: { accept: "application/vnd.docker.distribution.manifest.v2+json", connection: "close" },
        signal,
      });
      outgoing.on("error", reject);
      outgoing.on("response", resolve);
      outgoing.end();
    });
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > most) throw new Error("its manifest is longer than 1 MiB");
    }
    return { status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString("utf8") };
  } finally {
    stream.destroy();
  }
}
