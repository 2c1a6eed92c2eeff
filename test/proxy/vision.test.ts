import type { LookupAddress } from "node:dns";
import type { ServerResponse } from "node:http";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { appFor, proxyKey, type Seen, serveGemini, serveOn, type TestServer } from "./fixtures.ts";

// A 1×1 PNG.
const png = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
  "base64",
);
const loopback: LookupAddress[] = [{ address: "127.0.0.1", family: 4 }];
const publicAddress: LookupAddress[] = [{ address: "93.184.215.14", family: 4 }];

let upstream: TestServer;
let images: TestServer;
let answer: (seen: Seen, response: ServerResponse) => void;
const allowed = () => ({ IMAGE_HOSTS_ALLOWED: `127.0.0.1:${images.port}, images.test:${images.port}` });

beforeEach(async () => {
  answer = (_, response) => response.writeHead(200, { "content-type": "image/png" }).end(png);
  upstream = await serveGemini();
  images = await serveOn((seen, response) => answer(seen, response));
});
afterEach(() => Promise.all([upstream.close(), images.close()]));

async function errorOf(response: Response | Promise<Response>) {
  const { status, body } = { status: (await response).status, body: await (await response).json() };
  return { status, ...(body as { error: { code: string; message: string; source: string } }).error };
}

describe("what is asked and answered", () => {
  test("the image and the prompt reach the model", async () => {
    const { vision } = appFor(upstream, allowed());
    const response = await vision(`${images.url}/cat.png`, "What & where?");
    expect([response.status, await response.json()]).toEqual([200, { response: "Hello from the stand-in" }]);
    expect(upstream.requests[0]!.body.contents).toEqual([
      {
        role: "user",
        parts: [
          { inlineData: { mimeType: "image/png", data: png.toString("base64") } },
          { text: "What & where?" },
        ],
      },
    ]);
    expect(images.requests[0]!.headers.authorization, "our key stays here").toBeUndefined();
  });

  test("both parameters are needed", async () => {
    const { app } = appFor(upstream);
    const response = app.request("/vision", { method: "POST", headers: { "x-api-key": proxyKey } });
    expect(await errorOf(response)).toMatchObject({
      status: 422,
      code: "input.invalid",
      message: "image_url: is needed; prompt: is needed",
    });
  });

  test("a key is needed before anything is fetched", async () => {
    const { app } = appFor(upstream, allowed());
    const response = await app.request(`/vision?image_url=${images.url}/&prompt=x`, { method: "POST" });
    expect(response.status).toBe(401);
    expect(images.requests).toEqual([]);
  });
});

describe("where images may come from", () => {
  test.each([
    { url: "http://127.0.0.1/", code: "image.address" },
    { url: "http://127.1/", code: "image.address" },
    { url: "http://0x7f000001/", code: "image.address" },
    { url: "http://0x7f.0.0.1/", code: "image.address" },
    { url: "http://0177.0.0.1/", code: "image.address" },
    { url: "http://2130706433/", code: "image.address" },
    { url: "http://017700000001/", code: "image.address" },
    { url: "http://①②⑦.⓪.⓪.①/", code: "image.address" },
    { url: "http://127.0.0.1./", code: "image.address" },
    { url: "http://0/", code: "image.address" },
    { url: "http://[::1]/", code: "image.address" },
    { url: "http://[::]/", code: "image.address" },
    { url: "http://[::ffff:127.0.0.1]/", code: "image.address" },
    { url: "http://[::ffff:a9fe:a9fe]/", code: "image.address" },
    { url: "http://[fd00:ec2::254]/latest/meta-data/", code: "image.address" },
    { url: "http://169.254.169.254/latest/meta-data/", code: "image.address" },
    { url: "https://10.0.0.1:8443/x.png", code: "image.address" },
    { url: "http://192.168.1.1/x.png", code: "image.address" },
    { url: "http://100.64.0.1/x.png", code: "image.address" },
    { url: "http://224.0.0.1/x.png", code: "image.address" },
    { url: "http://localhost/", code: "image.address" },
    { url: "http://user:pass@example.test/x.png", code: "image.url" },
    { url: "http://user@example.test/x.png", code: "image.url" },
    { url: "file:///etc/passwd", code: "image.url" },
    { url: "data:image/png;base64,AAAA", code: "image.url" },
    { url: "ftp://example.test/x.png", code: "image.url" },
    { url: "//example.test/x.png", code: "image.url" },
    { url: "x.png", code: "image.url" },
    { url: "http://", code: "image.url" },
  ])("$url → $code", async ({ url, code }) => {
    const { vision } = appFor(upstream);
    expect(await errorOf(vision(url))).toMatchObject({ status: 422, code, source: "proxy" });
    expect(upstream.requests).toEqual([]);
  });

  test("no way to write an inner IPv4 address gets through", async () => {
    const { vision } = appFor(upstream);
    const inner = fc.oneof(
      fc.tuple(fc.constantFrom(0, 10, 127, 224, 255), fc.nat(255), fc.nat(255), fc.nat(255)),
      fc.tuple(fc.constant(192), fc.constant(168), fc.nat(255), fc.nat(255)),
      fc.tuple(fc.constant(172), fc.integer({ min: 16, max: 31 }), fc.nat(255), fc.nat(255)),
      fc.constant([169, 254, 169, 254] as const),
    );
    const radix = fc.constantFrom(
      (n: number) => `${n}`,
      (n: number) => `0x${n.toString(16)}`,
      (n: number) => `0${n.toString(8)}`,
    );
    // Two parts are a.(24 bits), three a.b.(16 bits), one is all 32 bits: inet_aton's forms, which URLs keep.
    const written = fc
      .tuple(inner, fc.integer({ min: 1, max: 4 }), fc.array(radix, { minLength: 4, maxLength: 4 }))
      .map(([bytes, parts, write]) => {
        const head = bytes.slice(0, parts - 1);
        const tail = bytes.slice(parts - 1).reduce((sum, byte) => sum * 256 + byte, 0);
        return [...head, tail].map((n, i) => write[i]!(n)).join(".");
      });
    await fc.assert(
      fc.asyncProperty(written, async (host) => {
        expect(await errorOf(vision(`http://${host}/`))).toMatchObject({
          status: 422,
          code: "image.address",
        });
      }),
    );
  });

  test.each([
    { name: "inside", addresses: loopback },
    { name: "inside, among public ones", addresses: [...publicAddress, ...loopback] },
    { name: "nowhere", addresses: [] },
  ])("a name that leads $name is refused", async ({ addresses }) => {
    const { vision } = appFor(upstream, {}, { resolve: async () => addresses });
    const url = `http://images.test:${images.port}/cat.png`;
    expect(await errorOf(vision(url))).toMatchObject({ status: 422, code: "image.address" });
    expect(images.requests).toEqual([]);
  });

  test("the connection goes to the address that was checked, looked up once (rebinding)", async () => {
    const asked: string[] = [];
    // The name does not exist: a second look-up by the connection itself would fail, or be the attack.
    const resolve = async (name: string) => {
      asked.push(name);
      return loopback;
    };
    const { vision } = appFor(upstream, allowed(), { resolve });
    const response = await vision(`http://images.test:${images.port}/cat.png`);
    expect(response.status).toBe(200);
    expect(asked).toEqual(["images.test"]);
    expect(images.requests[0]!.headers.host).toBe(`images.test:${images.port}`);
  });

  test("a name that turns inside for the redirect is refused there", async () => {
    answer = (_, response) =>
      response.writeHead(302, { location: `http://rebound.test:${images.port}/x` }).end();
    const { vision } = appFor(upstream, allowed(), { resolve: async () => loopback });
    const url = `http://images.test:${images.port}/cat.png`;
    expect(await errorOf(vision(url))).toMatchObject({ status: 422, code: "image.address" });
    expect(images.requests.length).toBe(1);
  });

  test.each([
    { location: "http://169.254.169.254/latest/meta-data/", code: "image.address" },
    { location: "http://[::1]:1/", code: "image.address" },
    { location: "http://localhost:1/", code: "image.address" },
    { location: "file:///etc/passwd", code: "image.url" },
    { location: "http://user:pass@example.test/", code: "image.url" },
  ])("a redirect to $location → $code", async ({ location, code }) => {
    answer = (_, response) => response.writeHead(302, { location }).end();
    const { vision } = appFor(upstream, allowed());
    expect(await errorOf(vision(`${images.url}/cat.png`))).toMatchObject({ status: 422, code });
    expect(images.requests.length).toBe(1);
  });

  test("an allowed host is allowed on its port only", async () => {
    const { vision } = appFor(upstream, { IMAGE_HOSTS_ALLOWED: "127.0.0.1:1" });
    expect(await errorOf(vision(`${images.url}/cat.png`))).toMatchObject({ code: "image.address" });
  });

  test.each([
    { redirects: 3, status: 200 },
    { redirects: 4, status: 422 },
  ])("$redirects redirects: $status", async ({ redirects, status }) => {
    answer = ({ path }, response) => {
      const hop = Number(path.slice(1));
      if (hop < redirects) response.writeHead(307, { location: `/${hop + 1}` }).end();
      else response.writeHead(200, { "content-type": "image/png" }).end(png);
    };
    const { vision } = appFor(upstream, allowed());
    expect((await vision(`${images.url}/0`)).status).toBe(status);
    expect(images.requests.length).toBe(4);
  });
});

describe("what the image's server sends", () => {
  const header = { "content-type": "image/png" };
  test.each<{ name: string; send: (response: ServerResponse) => void; status: number; code: string }>([
    {
      name: "HTML",
      send: (r) => r.writeHead(200, { "content-type": "text/html" }).end("<img>"),
      status: 415,
      code: "image.type",
    },
    { name: "no type", send: (r) => r.writeHead(200).end(png), status: 415, code: "image.type" },
    {
      name: "a compressed bomb",
      send: (r) => r.writeHead(200, { ...header, "content-encoding": "gzip" }).end(png),
      status: 415,
      code: "image.type",
    },
    {
      name: "a length above the limit",
      send: (r) => r.writeHead(200, { ...header, "content-length": "5000" }).write("x"),
      status: 413,
      code: "image.too-large",
    },
    {
      name: "more than the limit, without a length, and never an end",
      send: (r) => r.writeHead(200, header).write(Buffer.alloc(1100)),
      status: 413,
      code: "image.too-large",
    },
    { name: "nothing", send: (r) => r.writeHead(200, header).end(), status: 422, code: "image.unreachable" },
    { name: "404", send: (r) => r.writeHead(404, header).end(png), status: 422, code: "image.unreachable" },
    { name: "a cut", send: (r) => r.destroy(), status: 422, code: "image.unreachable" },
    {
      name: "a cut in the middle",
      send: (r) => r.writeHead(200, header).write("x", () => r.destroy()),
      status: 422,
      code: "image.unreachable",
    },
    {
      name: "silence in the middle",
      send: (r) => r.writeHead(200, header).write("x"),
      status: 422,
      code: "image.timed-out",
    },
  ])("$name → $status $code", async ({ send, status, code }) => {
    answer = (_, response) => send(response);
    const { vision } = appFor(upstream, {
      ...allowed(),
      MAX_IMAGE_BYTES: "1024",
      UPSTREAM_TIMEOUT_SECONDS: "0.5",
    });
    expect(await errorOf(vision(`${images.url}/cat.png`))).toMatchObject({ status, code, source: "proxy" });
    expect(upstream.requests).toEqual([]);
  });

  test("an image of exactly the limit passes", async () => {
    answer = (_, response) => response.writeHead(200, header).end(Buffer.alloc(1024, 1));
    const { vision } = appFor(upstream, { ...allowed(), MAX_IMAGE_BYTES: "1024" });
    expect((await vision(`${images.url}/cat.png`)).status).toBe(200);
  });

  test("nobody there: the code is told, the address is not", async () => {
    const { vision } = appFor(upstream, allowed());
    await images.close();
    const error = await errorOf(vision(`${images.url}/cat.png`));
    expect(error).toMatchObject({ status: 422, code: "image.unreachable" });
    expect(error.message).toBe("image_url: the server could not be reached (ECONNREFUSED)");
  });

  test("a client that goes away cancels the fetch", async () => {
    const { promise: asked, resolve: onAsked } = Promise.withResolvers<void>();
    const { promise: cut, resolve: onCut } = Promise.withResolvers<void>();
    answer = (_, response) => {
      response.once("close", onCut);
      onAsked();
    };
    const { app, logged } = appFor(upstream, allowed());
    const client = new AbortController();
    const response = app.request(`/vision?image_url=${images.url}/cat.png&prompt=x`, {
      method: "POST",
      headers: { "x-api-key": proxyKey },
      signal: client.signal,
    });
    await asked;
    client.abort();
    expect((await response).status).toBe(499);
    await cut;
    expect(logged()).toMatchObject([{ status: 499, error: "client.gone" }]);
  });

  test("a resolver that hangs is not waited for beyond the limit", async () => {
    const { vision } = appFor(
      upstream,
      { UPSTREAM_TIMEOUT_SECONDS: "0.2" },
      { resolve: () => new Promise(() => {}) },
    );
    expect(await errorOf(vision("http://slow.test/"))).toMatchObject({
      status: 422,
      code: "image.timed-out",
    });
  });
});
