import * as pulumi from "@pulumi/pulumi";
import { beforeEach, describe, expect, test } from "vitest";
import { GeminiProxy, Server } from "../../src/index.ts";
import { onServer } from "../../src/resources/service.ts";

interface Registered {
  type: string;
  name: string;
  // biome-ignore lint/suspicious/noExplicitAny: inputs are checked field by field
  inputs: any;
}

let registered: Registered[];
beforeEach(async () => {
  registered = [];
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => {
        registered.push({ type, name, inputs });
        return { id: `${name}-id`, state: { ...inputs, ...outputsOf(type) } };
      },
      call: ({ token }) => {
        throw new Error(`an unplanned call: ${token}`);
      },
    },
    "project",
    "stack",
    false,
  );
});

/** What the plugin would have given. */
function outputsOf(type: string): Record<string, unknown> {
  switch (type) {
    case "clore:index:SshKey":
      return { publicKey: "ssh-ed25519 AAAA", privateKey: "private" };
    case "clore:index:Server":
      return { address: "192.0.2.1", httpUrl: "https://n1.example/", connection: { address: "192.0.2.1" } };
    case "clore:index:ApiKey":
      return { key: "sk-clore-x" };
    case "clore:index:Service":
      return { revision: "r1" };
    case "clore:index:HealthCheck":
      return { answer: "I am ready." };
    default:
      return {};
  }
}

function value<T>(output: pulumi.Output<T>): Promise<T> {
  return new Promise((resolve) => output.apply(resolve));
}

const inputsOf = (type: string) => registered.find((each) => each.type === `clore:index:${type}`)?.inputs;
/** A secret as it travels. */
const secret = (it: unknown) => ({
  "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
  value: it,
});
const clear = (it: unknown): unknown =>
  it !== null && typeof it === "object" && "4dabf18193072939515e22adb298388d" in it
    ? (it as { value?: unknown }).value
    : it;

describe("the Gemini proxy", () => {
  test("is a key, a server, a bearer key, a service and a question, named after it", async () => {
    const proxy = new GeminiProxy("gemini", { upstreamKey: "up", rent: { lease: "8h", maxPricePerDay: 2 } });
    expect(await value(proxy.url)).toBe("https://n1.example");
    expect(await value(proxy.firstAnswer)).toBe("I am ready.");
    expect(registered.map(({ type, name }) => `${type} ${name}`).toSorted()).toEqual([
      "clore:index:ApiKey gemini-key",
      "clore:index:GeminiProxy gemini",
      "clore:index:HealthCheck gemini-answers",
      "clore:index:Server gemini-server",
      "clore:index:Service gemini-proxy",
      "clore:index:SshKey gemini-ssh",
    ]);
    expect(inputsOf("Server")).toMatchObject({ ports: { "8080": "http" }, lease: "8h", maxPricePerDay: 2 });
    expect(inputsOf("Service")).toMatchObject({
      name: "gemini-proxy",
      env: { PORT: "8080", UPSTREAM: "google" },
      ports: [8080],
      health: { http: { port: 8080, path: "/readyz" } },
    });
    expect(inputsOf("HealthCheck")).toMatchObject({ url: "https://n1.example/chat", triggers: ["r1"] });
  });

  test("keeps keys out of what is open", async () => {
    const proxy = new GeminiProxy("gemini", {
      upstream: "cometapi",
      upstreamKey: "hush",
      rent: { lease: "8h" },
    });
    await value(proxy.firstAnswer);
    const { secretEnv, connection, ...open } = inputsOf("Service");
    expect(clear(secretEnv)).toEqual({ COMETAPI_KEY: "hush", PROXY_API_KEYS: "sk-clore-x" });
    expect(secretEnv).toEqual(secret(clear(secretEnv)));
    expect(connection).toEqual(secret({ address: "192.0.2.1" }));
    expect(JSON.stringify(open)).not.toMatch(/hush|sk-clore-x/);
  });

  test("on a host of one's own rents nothing and is asked where the user says", async () => {
    const server = new Server("own", { address: "192.0.2.7", sshKey: { privateKey: "k" } });
    const proxy = new GeminiProxy("gemini", {
      upstreamKey: "up",
      server,
      port: 9000,
      publicUrl: "http://proxy.example/",
    });
    expect(await value(proxy.url)).toBe("http://proxy.example");
    await value(proxy.firstAnswer);
    expect(proxy.sshKey).toBeUndefined();
    expect(registered.filter(({ type }) => /Server|SshKey/.test(type)).map(({ name }) => name)).toEqual([
      "own",
    ]);
    expect(inputsOf("Service")).toMatchObject({ ports: [9000], env: { PORT: "9000" } });
  });
});

test("what runs on a rented server goes with it; on a host of one's own it is removed", () => {
  const sshKey = { privateKey: "k" };
  const rented = new Server("rented", { sshKey, lease: "8h" });
  const own = new Server("own", { sshKey, address: "192.0.2.7" });
  expect(onServer(rented).deletedWith).toBe(rented);
  expect(onServer(own).deletedWith).toBeUndefined();
  expect(onServer({ connection: {} }).deletedWith).toBeUndefined();
});
