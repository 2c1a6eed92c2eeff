import { promises as dns, type LookupAddress } from "node:dns";
import http, { type IncomingMessage } from "node:http";
import https from "node:https";
import { isIP, type LookupFunction } from "node:net";
import { isPublicAddress } from "./address.ts";
import { withDeadline } from "./deadline.ts";
import { ProxyError } from "./errors.ts";
import { proxyVersion } from "./version.ts";

const maxRedirects = 3;

/** An image as the upstream wants it. */
export interface Image {
  mimeType: string;
  bytes: Buffer;
}

export interface ImageRules {
  maxBytes: number;
  /** For the whole fetch with its redirects, in milliseconds. */
  timeoutMs: number;
  /** `host:port` that need no public address. */
  hostsAllowed: ReadonlySet<string>;
  /** All addresses of a name. @default the system's resolver */
  resolve?: (hostname: string) => Promise<LookupAddress[]>;
}

/**
 * Fetches an image from a public address. Each hop is checked, and the connection goes to the very addresses that
 * were checked, so a name that changes its mind between look-up and connection gains nothing.
 * @throws ProxyError `image.url`, `image.address`, `image.redirects`, `image.unreachable`, `image.timed-out` (422),
 *   `image.too-large` (413), `image.type` (415), `client.gone` when `client` aborts
 */
export async function fetchImage(text: string, rules: ImageRules, client: AbortSignal): Promise<Image> {
  const late = () => refusal("image.timed-out", `image_url: not fetched within ${rules.timeoutMs / 1000} s`);
  return withDeadline(rules.timeoutMs, client, late, async (signal) => {
    try {
      let url = imageUrl(text);
      for (let hop = 0; hop <= maxRedirects; hop++) {
        const response = await get(url, await checkedAddresses(url, rules, signal), signal);
        const status = response.statusCode ?? 0;
        if (status < 300 || status >= 400) return await readImage(response, rules.maxBytes);
        response.destroy();
        url = imageUrl(response.headers.location ?? "", url);
      }
      throw refusal("image.redirects", `image_url: more than ${maxRedirects} redirects`);
    } catch (error) {
      if (error instanceof ProxyError || signal.aborted) throw error;
      // Only the code: the text of a socket error names addresses, and inner ones are nobody's business.
      const code = (error as NodeJS.ErrnoException).code ?? "connection failed";
      throw refusal("image.unreachable", `image_url: the server could not be reached (${code})`, error);
    }
  });
}

function imageUrl(text: string, base?: URL): URL {
  const url = URL.parse(text, base?.href);
  if (!url) throw refusal("image.url", "image_url: not a URL");
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw refusal("image.url", "image_url: must begin with http:// or https://");
  }
  if (url.username || url.password) throw refusal("image.url", "image_url: must not hold credentials");
  return url;
}

async function checkedAddresses(url: URL, rules: ImageRules, signal: AbortSignal): Promise<LookupAddress[]> {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  const found = isIP(host)
    ? [{ address: host, family: isIP(host) }]
    : await beforeAbort((rules.resolve ?? resolveAll)(host), signal);
  if (rules.hostsAllowed.has(`${url.hostname}:${port}`)) return found;
  // One bad address is enough: a name that has a public and a private one is an attempt to get in.
  if (found.length === 0 || !found.every(({ address }) => isPublicAddress(address))) {
    throw refusal("image.address", "image_url: leads to an address that is not public");
  }
  return found;
}

function resolveAll(hostname: string): Promise<LookupAddress[]> {
  return dns.lookup(hostname, { all: true });
}

function get(url: URL, addresses: LookupAddress[], signal: AbortSignal): Promise<IncomingMessage> {
  const lookup: LookupFunction = (_hostname, options, done) => {
    if (options.all) done(null, addresses);
    else done(null, addresses[0]!.address, addresses[0]!.family);
  };
  const headers = {
    accept: "image/*",
    "accept-encoding": "identity",
    "user-agent": `pulumi-clore-proxy/${proxyVersion}`,
  };
  return new Promise((resolve, reject) => {
    // No agent: a pooled connection would not be to the addresses just checked.
    const request = (url.protocol === "https:" ? https : http).get(url, {
      agent: false,
      headers,
      lookup,
      signal,
    });
    request.on("response", resolve);
    request.on("error", reject);
  });
}

async function readImage(response: IncomingMessage, maxBytes: number): Promise<Image> {
  try {
    const status = response.statusCode ?? 0;
    if (status !== 200) throw refusal("image.unreachable", `image_url: the server answered ${status}`);
    const mimeType = (response.headers["content-type"] ?? "").split(";")[0]!.trim().toLowerCase();
    if (!/^image\/[\w.+-]+$/.test(mimeType)) {
      throw new ProxyError("image.type", {
        status: 415,
        message: "image_url: the content type is not image/*",
      });
    }
    if ((response.headers["content-encoding"] ?? "identity") !== "identity") {
      throw new ProxyError("image.type", {
        status: 415,
        message: "image_url: compressed answers are not taken",
      });
    }
    const tooLarge = () =>
      new ProxyError("image.too-large", { status: 413, message: `image_url: larger than ${maxBytes} bytes` });
    if (Number(response.headers["content-length"] ?? 0) > maxBytes) throw tooLarge();
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxBytes) throw tooLarge();
      chunks.push(chunk);
    }
    if (size === 0) throw refusal("image.unreachable", "image_url: the image is empty");
    return { mimeType, bytes: Buffer.concat(chunks) };
  } finally {
    response.destroy();
  }
}

/** A look-up cannot be cancelled, but it need not be waited for. */
function beforeAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

function refusal(code: string, message: string, cause?: unknown): ProxyError {
  return new ProxyError(code, { status: 422, message, cause });
}
