import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { z } from "zod";
import type { Server } from "../../src/index.ts";
import { readConfig } from "../../stacks/config.ts";
import { schema as gemini } from "../../stacks/gemini-proxy.ts";
import { schema as ollama } from "../../stacks/ollama.ts";
import { rentOrHost, serverConfig, serverOutputs, serverRules } from "../../stacks/server.ts";

const folder = mkdtempSync(join(tmpdir(), "clore-config-"));
beforeAll(() =>
  pulumi.runtime.setMocks(
    { newResource: () => ({ id: "", state: {} }), call: () => ({}) },
    "pulumi-clore",
    "s",
  ),
);
afterEach(() => vi.unstubAllEnvs());
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function configure(values: Readonly<Record<string, string>>): void {
  pulumi.runtime.setAllConfig(
    Object.fromEntries(
      Object.entries(values).map(([key, value]) => [key.includes(":") ? key : `pulumi-clore:${key}`, value]),
    ),
  );
}

function mistakes(schema: z.ZodObject, values: Readonly<Record<string, string>>): string[] {
  configure(values);
  try {
    readConfig(schema, serverRules);
  } catch (error) {
    return [...(error as Error).message.matchAll(/^ {2}pulumi-clore:(.*)$/gm)].map(([, line]) => line ?? "");
  }
  return [];
}

const right = { maxPricePerDay: "4", lease: "8h", model: "gemma3:4b" };

test("what is right is read, whatever other projects and the program's name say beside it", () => {
  configure({
    ...right,
    countries: '["DE","nl"]',
    program: "gemma-4b",
    "clore:lease": "1h",
    "aws:region": "x",
  });
  expect(readConfig(ollama, serverRules)).toMatchObject({
    maxPricePerDay: 4,
    lease: "8h",
    countries: ["DE", "nl"],
    publicPort: 8080,
  });
});

test.each([
  ["port", "99999", "port: should be at most 65535, is 99999"],
  ["port", "80.5", "port: should be a whole number, is 80.5"],
  [
    "imageHostsAllowed",
    "10.0.0.5:9000",
    'imageHostsAllowed: should be a JSON list: ["10.0.0.5:9000"], is "10.0.0.5:9000"',
  ],
  ["minDownMbps", "-5", "minDownMbps: should be more than 0, is -5"],
  ["minDownMbps", "fast", 'minDownMbps: should be a number, is "fast"'],
  ["mode", "vm", 'mode: should be auto, native or docker, is "vm"'],
  ["baseImage", '["node"]', "baseImage: should be text, is a list"],
  ["publicUrl", "here", 'publicUrl: should be an http(s) address, is "here"'],
  ["lease", "8hours", 'lease: should be a duration such as "90m", "8h" or "3d", or "none", is "8hours"'],
  ["lease", "8", 'lease: should be a duration such as "90m", "8h" or "3d", or "none", is 8'],
  [
    "countries",
    '["DE","UK"]',
    'countries[1]: "UK" is no ISO 3166 country code; did you mean GB (United Kingdom)?',
  ],
])("%s %s: in words of this project, with what was written", (key, value, line) => {
  expect(mistakes(gemini, { [key]: value })).toEqual([line]);
});

test.each([
  [
    "model",
    undefined,
    'model: should be a tag such as gemma3:4b, or a JSON list: ["gemma3:4b","qwen2.5:7b"], is not set',
  ],
  ["maxTimeToReady", "soon", 'maxTimeToReady: should be a duration such as "90m", "8h" or "3d", is "soon"'],
  ["publicPort", "true", "publicPort: should be a port from 1 to 65535, or false, is true"],
  ["minVramShare", "2", "minVramShare: should be at most 1, is 2"],
])("of a stack with models: %s %s", (key, value, line) => {
  const { [key as keyof typeof right]: _, ...others } = right;
  expect(mistakes(ollama, value === undefined ? others : { ...others, [key]: value })).toEqual([line]);
});

test("a misspelt key is a mistake with the nearest key, and comes with all the others", () => {
  expect(mistakes(gemini, { minDownMbsp: "100", MaxPricePerDay: "3", lease: "x", port: "0" })).toEqual([
    "minDownMbsp: no such key; did you mean minDownMbps?",
    "MaxPricePerDay: no such key; did you mean maxPricePerDay?",
    expect.stringMatching(/^lease: /),
    "port: should be at least 1, is 0",
  ]);
  expect(mistakes(gemini, { favouriteColour: "red" })[0]).toMatch(
    /^favouriteColour: no such key; there are: maxPricePerDay, .*, program$/,
  );
});

test("a limit on a stack of models that only the proxy knows is none there", () => {
  expect(mistakes(ollama, { ...right, upstream: "google" })[0]).toMatch(/^upstream: no such key/);
});

test("an existing host's key file: named with its path where it is missing, found below ~", () => {
  const host = "root@192.0.2.7:2222";
  expect(mistakes(gemini, { host })).toEqual([
    "hostPrivateKeyFile: should be the file of an ed25519 private key that opens the host, is not set",
  ]);
  vi.stubEnv("HOME", folder);
  expect(mistakes(gemini, { host, hostPrivateKeyFile: "~/.ssh/id", port: "0" })).toEqual([
    "port: should be at least 1, is 0",
    `hostPrivateKeyFile: ${folder}/.ssh/id cannot be read here: ENOENT`,
  ]);
  mkdirSync(join(folder, ".ssh"));
  writeFileSync(join(folder, ".ssh", "id"), "a private key");
  configure({ host, hostPrivateKeyFile: "~/.ssh/id", maxPricePerDay: "1" });
  expect(rentOrHost(readConfig(z.object(serverConfig), serverRules), {})).toHaveProperty("server");
});

test("a key put where its file should be named is not repeated", () => {
  const lines = mistakes(gemini, { host: "root@192.0.2.7", hostPrivateKeyFile: "-----BEGIN\nsecret\n" });
  expect(lines).toEqual(["hostPrivateKeyFile: is no path of a file: it names the file that holds the key"]);
});

test("a price in the outputs has the digits that it is good for, and none where nothing is rented", async () => {
  const told = (usd: number | undefined) => {
    const server = { pricePerDayUsd: pulumi.output(usd), sshCommand: () => pulumi.output("ssh") };
    const { pricePerDay } = serverOutputs({ server: server as unknown as Server, sshKey: undefined });
    return new Promise((resolve) => pricePerDay.apply(resolve));
  };
  expect(await told(0.089999943488)).toBe(0.09);
  expect(await told(undefined)).toBeUndefined();
});
