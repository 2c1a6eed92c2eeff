import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { propertyPath } from "../../src/core/schema-problems.ts";
import { checkInputs } from "../../src/provider/check.ts";
import type { Handler } from "../../src/provider/handler.ts";
import { handlers } from "../../src/provider/handlers.ts";
import { type Properties, unknown } from "../../src/provider/rpc/values.ts";

const folder = mkdtempSync(join(tmpdir(), "clore-check-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, "a.mjs");
writeFileSync(file, "export {}");

const sshKey = { privateKey: "a private key" };
const connection = { address: "h", port: 22, user: "root", privateKey: "k", hostKey: "ssh-ed25519 AAAA" };
const service = { name: "web", connection, process: { command: ["node", "a.mjs"] } };

function handlerOf(type: string): Handler {
  const handler = handlers[`clore:index:${type}`];
  if (!handler) throw new Error(`no handler for ${type}`);
  return handler;
}

function problemsOf(type: string, inputs: Properties): string[] {
  return checkInputs(handlerOf(type), inputs).problems.map(({ path, problem }) => `${path}: ${problem}`);
}

interface Mistake {
  name: string;
  type: string;
  inputs: Properties;
  /** What the user reads, in order. */
  problems: (string | RegExp)[];
}

describe("mistakes", () => {
  test.each<Mistake>([
    {
      name: "a price cap of nothing",
      type: "Server",
      inputs: { sshKey, maxPricePerDay: 0 },
      problems: [/^maxPricePerDay: 0 rents nothing: write USD per day above 0/],
    },
    {
      name: "a price cap per hour by mistake",
      type: "Server",
      inputs: { sshKey, gpu: "RTX 4090", maxPricePerDay: 0.25 },
      problems: [/^maxPricePerDay: .*per day.*/i],
    },
    {
      name: "a GPU nobody has",
      type: "Server",
      inputs: { sshKey, gpu: "RTX 4091" },
      problems: [/^gpu: no GPU class is called "RTX 4091"; nearest: "RTX 4090"/],
    },
    {
      name: "a country that is none",
      type: "Server",
      inputs: { sshKey, countries: ["DE", "UK"] },
      problems: [/^countries\[1\]: "UK" is no ISO 3166 country code; did you mean GB/],
    },
    {
      name: "a typo in a name",
      type: "Server",
      inputs: { sshKey, MinVramGb: 24 },
      problems: ["MinVramGb: no such property; did you mean minVramGb?"],
    },
    {
      name: "a renter's limit on an existing host",
      type: "Server",
      inputs: { sshKey, address: "192.0.2.7", gpu: "RTX 4090" },
      problems: [/^gpu: means nothing for an existing host/],
    },
    {
      name: "a login without a host",
      type: "Server",
      inputs: { sshKey, user: "ubuntu" },
      problems: [/^user: belongs to an existing host/],
    },
    {
      name: "two http ports",
      type: "Server",
      inputs: { sshKey, ports: { "8080": "http", "9090": "http" } },
      problems: [/^ports: has 2 http ports; an order can have one/],
    },
    {
      name: "a port out of range and one of a strange kind",
      type: "Server",
      inputs: { sshKey, ports: { "8080": "udp" } },
      problems: ['ports["8080"]: should be tcp or http'],
    },
    {
      name: "an environment that the API fails on, and names that are none",
      type: "Server",
      inputs: { sshKey, env: { URL: "a?b&c", "MY-NAME": "x", WHO: "Zoë" } },
      problems: [/^env\.URL: holds & or non-ASCII/, /^env\["MY-NAME"\]: /, /^env\.WHO: holds & or non-ASCII/],
    },
    {
      name: "an environment for an existing host",
      type: "Server",
      inputs: { sshKey, address: "192.0.2.7", env: { A: "1" }, command: "true" },
      problems: [/^env: means nothing for an existing host/, /^command: means nothing for an existing host/],
    },
    {
      name: "a lease nobody understands",
      type: "Server",
      inputs: { sshKey, lease: "soon" },
      problems: [/^lease: should be a duration/],
    },
    {
      name: "a bid above the cap, on the wrong market",
      type: "Server",
      inputs: { sshKey, bidPricePerDay: 3, maxPricePerDay: 2 },
      problems: [
        /^bidPricePerDay: only the spot market has bids/,
        /^bidPricePerDay: 3 is above maxPricePerDay \(2\)/,
      ],
    },
    {
      name: "several at once",
      type: "Server",
      inputs: { sshKey, gpu: "RTX 4091", maxPricePerDay: -1, countries: ["XX"], minReliability: 97 },
      problems: [/^gpu: /, /^minReliability: write 0.97, not 97/, /^countries\[0\]: /, /^maxPricePerDay: /],
    },
    {
      name: "several of the wrong type",
      type: "Server",
      inputs: { sshKey, minVramGb: "much", maxPricePerDay: "6 USD", market: "auction" },
      problems: [
        "minVramGb: should be a number",
        "market: should be on-demand or spot",
        "maxPricePerDay: should be a number: USD per day",
      ],
    },
    {
      name: "numbers that are too large, too small and no whole ones",
      type: "Server",
      inputs: { sshKey, address: "192.0.2.7", port: 99999, gpuCount: 1.5, bootMinutes: 0 },
      problems: [
        "port: should be at most 65535, is 99999",
        "gpuCount: should be a whole number, is 1.5",
        "bootMinutes: should be more than 0, is 0",
      ],
    },
    {
      name: "a list that is none, and an empty text",
      type: "Server",
      inputs: { sshKey, excludeServers: "7", command: "" },
      problems: ["excludeServers: should be a list", "command: should not be empty"],
    },
    {
      name: "a service that is nothing",
      type: "Service",
      inputs: { name: "web", connection },
      problems: ["process: give a process, a container, or both"],
    },
    {
      name: "a service whose files are not there",
      type: "Service",
      inputs: { ...service, files: [{ path: "a.mjs", source: join(folder, "gone.mjs") }, { path: "b" }] },
      problems: [
        "files[1]: should have either content or source",
        /^files\[0\]\.source: .*gone\.mjs cannot be read here: ENOENT$/,
      ],
    },
    {
      name: "an environment with a strange name",
      type: "Service",
      inputs: { ...service, env: { "LOG-LEVEL": "x" }, ports: [0] },
      problems: [/LOG-LEVEL/, /^ports\[0\]: /],
    },
    {
      name: "a mode that nothing was given for",
      type: "Service",
      inputs: { ...service, mode: "docker" },
      problems: ["mode: docker needs a container"],
    },
    {
      name: "a question from inside to the outside",
      type: "HealthCheck",
      inputs: { url: "http://10.0.0.1/", connection },
      problems: ["url: asked from inside, it should begin with http://127.0.0.1, not http://10.0.0.1"],
    },
    {
      name: "an address that is none",
      type: "HealthCheck",
      inputs: { url: "ftp://x", timeoutSeconds: 0 },
      problems: ["url: should be an http(s) address", /^timeoutSeconds: /],
    },
    {
      name: "a key's prefix with a space",
      type: "ApiKey",
      inputs: { prefix: "my key" },
      problems: ["prefix: should be at most 16 letters, digits, - and _"],
    },
  ])("$name", ({ type, inputs, problems }) => {
    const found = problemsOf(type, inputs);
    expect(found, found.join("\n")).toHaveLength(problems.length);
    for (const [i, wanted] of problems.entries()) {
      if (typeof wanted === "string") expect(found[i]).toBe(wanted);
      else expect(found[i]).toMatch(wanted);
    }
  });

  test("name no secret", () => {
    const found = problemsOf("Service", {
      ...service,
      secretEnv: { "bad name": "s3cret", PIN: 4711 },
      connection: { ...connection, privateKey: 7, port: "s3cret" },
    });
    expect(found.length).toBeGreaterThanOrEqual(3);
    expect(found.join("\n")).not.toMatch(/s3cret|4711/);
  });
});

describe("what is not known yet (a preview)", () => {
  test("is passed on as it is, and the rest is checked", () => {
    const { inputs, problems } = checkInputs(handlerOf("Server"), {
      sshKey: { privateKey: unknown },
      gpu: "rtx 4090",
      maxPricePerDay: 6,
    });
    expect(problems).toEqual([]);
    expect(inputs).toEqual({ sshKey: { privateKey: unknown }, gpu: "rtx 4090", maxPricePerDay: 6 });
  });

  test("does not hide mistakes in what is known", () => {
    expect(problemsOf("Server", { sshKey: unknown, maxPricePerDay: 0, gpu: unknown })).toEqual([
      expect.stringMatching(/^maxPricePerDay: /),
    ]);
  });

  test("does not hide a property that there is not", () => {
    expect(problemsOf("ApiKey", { prefx: unknown })).toEqual(["prefx: no such property (there are: prefix)"]);
  });

  test("of a service does not stand in the way of its rules", () => {
    const { inputs, problems } = checkInputs(handlerOf("Service"), { ...service, connection: unknown });
    expect(problems).toEqual([]);
    expect(inputs).toMatchObject({ connection: unknown, name: "web", mode: "auto", restart: "always" });
    expect(inputs.sources).toBeUndefined();
  });
});

describe("what is right", () => {
  test("comes back with defaults and without nothings", () => {
    const { inputs, problems } = checkInputs(handlerOf("ApiKey"), { prefix: null });
    expect({ inputs, problems }).toEqual({ inputs: { prefix: "sk-clore-" }, problems: [] });
  });

  test("of a service carries the digests of its local files, so that a changed file is a change", () => {
    const digest = () =>
      checkInputs(handlerOf("Service"), { ...service, files: [{ path: "a.mjs", source: file }] }).inputs
        .sources;
    const before = digest();
    expect(before).toEqual({ "files[0].source": expect.stringMatching(/^[0-9a-f]{24}$/) });
    writeFileSync(file, "export const x = 1");
    expect(digest()).not.toEqual(before);
  });
});

test.each([
  [["a"], "a"],
  [["ports", "8080"], 'ports["8080"]'],
  [["files", 0, "path"], "files[0].path"],
  [["container", "build", "extraFiles", "a.b"], 'container.build.extraFiles["a.b"]'],
])("the path %j is written as Pulumi does: %s", (path, text) => {
  expect(propertyPath(path)).toBe(text);
});
