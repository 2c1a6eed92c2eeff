import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Change } from "../../src/provider/handler.ts";
import { serverChanges } from "../../src/provider/server-changes.ts";
import type { ServerInputs } from "../../src/provider/server-inputs.ts";
import type { OfferedServer } from "../../src/provider/server-offered.ts";
import type { ServerState } from "../../src/provider/server-state.ts";

const sshKey = { publicKey: "ssh-ed25519 AAAA", privateKey: "one" };
const offered: OfferedServer = {
  serverId: 7,
  gpu: "RTX 3090",
  gpuCount: 2,
  vramGbPerGpu: 24,
  ramGb: 64,
  diskGb: 500,
  cpuCores: 16,
  downMbps: 800,
  upMbps: 300,
  reliability: 0.99,
  country: "DE",
  currency: "USD-Blockchain",
  market: "on-demand",
};
const running: Partial<ServerState> = { kind: "rented", reachable: true, offered };

function changes(
  before: Partial<ServerInputs>,
  after: Partial<ServerInputs>,
  state: Partial<ServerState> = running,
): Change[] {
  return serverChanges({ sshKey, ...before }, state, { sshKey, ...after });
}

interface Case {
  name: string;
  before?: Partial<ServerInputs>;
  after: Partial<ServerInputs>;
  kind: Change["kind"];
}

describe("a running server (2 × RTX 3090, 24 GB, DE, on-demand, USD)", () => {
  test.each<Case>([
    { name: "the same GPU by name", after: { gpu: "rtx 3090" }, kind: "update" },
    { name: "another GPU", after: { gpu: "RTX 3090 Ti" }, kind: "replace" },
    { name: "a list that names it", after: { gpu: ["RTX 4090", "rtx 3090"] }, kind: "update" },
    { name: "a list without it", after: { gpu: ["RTX 4090", "RTX 3090 Ti"] }, kind: "replace" },
    { name: "any GPU again", before: { gpu: "RTX 3090" }, after: {}, kind: "update" },
    { name: "as many GPUs", after: { gpuCount: 2 }, kind: "update" },
    { name: "one GPU less", before: { gpuCount: 2 }, after: { gpuCount: 1 }, kind: "replace" },
    { name: "VRAM that it has", after: { minVramGb: 24 }, kind: "update" },
    { name: "VRAM that it has not", after: { minVramGb: 25 }, kind: "replace" },
    { name: "RAM that it has", after: { minRamGb: 64 }, kind: "update" },
    { name: "RAM that it has not", after: { minRamGb: 65 }, kind: "replace" },
    { name: "disk that it has", after: { minDiskGb: 500 }, kind: "update" },
    { name: "disk that it has not", after: { minDiskGb: 501 }, kind: "replace" },
    { name: "cores that it has not", after: { minCpuCores: 17 }, kind: "replace" },
    { name: "a line as fast", after: { minDownMbps: 800, minUpMbps: 300 }, kind: "update" },
    { name: "a faster line down", after: { minDownMbps: 801 }, kind: "replace" },
    { name: "a faster line up", after: { minUpMbps: 301 }, kind: "replace" },
    { name: "more reliability than it has", after: { minReliability: 0.995 }, kind: "replace" },
    {
      name: "less reliability",
      before: { minReliability: 0.9 },
      after: { minReliability: 0.5 },
      kind: "update",
    },
    { name: "another environment", before: { env: { A: "1" } }, after: { env: { A: "2" } }, kind: "replace" },
    { name: "no environment any more", before: { env: { A: "1" } }, after: {}, kind: "replace" },
    { name: "another command", before: { command: "a" }, after: { command: "b" }, kind: "replace" },
    { name: "a list with its country", after: { countries: ["NL", "DE"] }, kind: "update" },
    { name: "a list with its country in small letters", after: { countries: ["de"] }, kind: "update" },
    { name: "a list without its country", after: { countries: ["NL"] }, kind: "replace" },
    { name: "its country excluded", after: { excludeCountries: ["DE"] }, kind: "replace" },
    { name: "its country excluded in small letters", after: { excludeCountries: ["de"] }, kind: "replace" },
    { name: "another country excluded", after: { excludeCountries: ["US"] }, kind: "update" },
    { name: "it itself excluded", after: { excludeServers: [7] }, kind: "replace" },
    { name: "another server excluded", after: { excludeServers: [8] }, kind: "update" },
    { name: "the currency it is paid in", after: { currency: "USD-Blockchain" }, kind: "update" },
    { name: "another currency", after: { currency: "bitcoin" }, kind: "replace" },
    { name: "the other market", after: { market: "spot" }, kind: "replace" },
    { name: "a cap below its price", after: { maxPricePerDay: 0.5 }, kind: "update" },
    { name: "another bid", after: { bidPricePerDay: 1 }, kind: "update" },
    { name: "a longer lease", before: { lease: "8h" }, after: { lease: "3d" }, kind: "update" },
    { name: "other patience", after: { acquireMinutes: 5, bootMinutes: 2 }, kind: "update" },
    { name: "another image", after: { image: "ubuntu:24.04" }, kind: "replace" },
    { name: "other ports", after: { ports: { "8080": "http" } }, kind: "replace" },
    { name: "another key", after: { sshKey: { privateKey: "two" } }, kind: "replace" },
    { name: "an existing host instead", after: { address: "192.0.2.7" }, kind: "replace" },
  ])("$name: $kind", ({ before = {}, after, kind }) => {
    const found = changes(before, after);
    expect(found.length).toBeGreaterThan(0);
    expect(found.map((change) => change.kind)).toEqual(found.map(() => kind));
  });

  test("an alias is the same class", () => {
    const state = { ...running, offered: { ...offered, gpu: "RTX 6000 Ada" } };
    expect(changes({}, { gpu: ["RTX 6000 Ada Generation"] }, state)).toEqual([
      { path: "gpu", kind: "update" },
    ]);
  });

  test("a default that is written out is no change", () => {
    expect(changes({}, { market: "on-demand" })).toEqual([]);
  });

  test("the public half of the same key is no change", () => {
    expect(changes({}, { sshKey: { privateKey: "one" } })).toEqual([]);
  });

  test("a server that could not be reached is to be mended, not replaced", () => {
    expect(changes({}, {}, { ...running, reachable: false })).toEqual([
      { path: "reachable", kind: "update", drift: true },
    ]);
  });

  test("where nothing is known of the offer a limit replaces", () => {
    expect(changes({}, { minRamGb: 1 }, { kind: "rented", reachable: true })).toEqual([
      { path: "minRamGb", kind: "replace" },
    ]);
  });

  test("what the API does not tell of an imported order does not replace it", () => {
    const imported: Partial<ServerInputs> = { image: "ollama/ollama:0.17.4" };
    const want = { sshKey, image: imported.image, autosshEntrypoint: true, env: { A: "1" }, command: "run" };
    expect(new Set(serverChanges(imported, running, want).map(({ kind }) => kind))).toEqual(
      new Set(["update"]),
    );
  });

  test("an existing host can be given another key", () => {
    expect(changes({}, { sshKey: { privateKey: "two" } }, { kind: "existing", reachable: true })).toEqual([
      { path: "sshKey", kind: "update" },
    ]);
  });
});

const amount = fc.integer({ min: 0, max: 1000 });
const anyInputs: fc.Arbitrary<ServerInputs> = fc.record(
  {
    sshKey: fc.constant(sshKey),
    gpu: fc.constantFrom("RTX 3090", "RTX 4090", "A100"),
    gpuCount: fc.integer({ min: 1, max: 8 }),
    minVramGb: amount,
    minRamGb: amount,
    minDiskGb: amount,
    minCpuCores: amount,
    minDownMbps: amount,
    minUpMbps: amount,
    minReliability: fc.double({ min: 0, max: 1, noNaN: true }),
    countries: fc.subarray(["DE", "NL", "US"], { minLength: 1 }),
    excludeServers: fc.array(fc.integer({ min: 1, max: 20 })),
    market: fc.constantFrom("on-demand" as const, "spot" as const),
    currency: fc.constantFrom("auto" as const, "bitcoin" as const),
    image: fc.constantFrom("a", "b"),
    ports: fc.dictionary(fc.constantFrom("8080", "9090"), fc.constantFrom("tcp" as const, "http" as const)),
    lease: fc.constantFrom("8h", "3d"),
    maxPricePerDay: fc.double({ min: 0.1, max: 100, noNaN: true }),
    bidPricePerDay: fc.double({ min: 0.1, max: 100, noNaN: true }),
    bootMinutes: fc.integer({ min: 1, max: 100 }),
  },
  { requiredKeys: ["sshKey"] },
);

describe("whatever the inputs", () => {
  test("the same inputs are no change, in whatever order they are written", () => {
    fc.assert(
      fc.property(anyInputs, (inputs) => {
        const reversed = Object.fromEntries(Object.entries(inputs).toReversed()) as ServerInputs;
        expect(serverChanges(inputs, running, structuredClone(reversed))).toEqual([]);
      }),
    );
  });

  test("limits that the running server satisfies never replace it", () => {
    const satisfied = fc.record(
      {
        minVramGb: fc.integer({ min: 0, max: offered.vramGbPerGpu }),
        minRamGb: fc.integer({ min: 0, max: offered.ramGb }),
        minDiskGb: fc.integer({ min: 0, max: offered.diskGb }),
        minCpuCores: fc.integer({ min: 0, max: offered.cpuCores }),
        minDownMbps: fc.integer({ min: 0, max: offered.downMbps }),
        minUpMbps: fc.integer({ min: 0, max: offered.upMbps }),
        minReliability: fc.double({ min: 0, max: offered.reliability, noNaN: true }),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(satisfied, satisfied, (before, after) => {
        expect(changes(before, after).filter(({ kind }) => kind === "replace")).toEqual([]);
      }),
    );
  });

  test("prices, lease and patience never replace", () => {
    const price = fc.option(fc.double({ min: 0.01, max: 1000, noNaN: true }), { nil: undefined });
    fc.assert(
      fc.property(anyInputs, price, price, fc.string(), (inputs, maxPricePerDay, bidPricePerDay, lease) => {
        const want = { ...inputs, maxPricePerDay, bidPricePerDay, lease };
        expect(serverChanges(inputs, running, want).filter(({ kind }) => kind === "replace")).toEqual([]);
      }),
    );
  });

  test("each changed property is named once, and no other", () => {
    fc.assert(
      fc.property(anyInputs, anyInputs, (before, after) => {
        const paths = serverChanges(before, running, after).map(({ path }) => path);
        expect(new Set(paths).size).toBe(paths.length);
        for (const path of paths)
          expect(before[path as keyof ServerInputs]).not.toEqual(after[path as keyof ServerInputs]);
      }),
    );
  });
});
