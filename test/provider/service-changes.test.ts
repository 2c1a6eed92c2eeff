import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ServiceState, service } from "../../src/provider/service.ts";
import { type ServiceInputs, serviceInputs } from "../../src/provider/service-inputs.ts";

const connection = {
  address: "192.0.2.7",
  port: 22,
  user: "root",
  privateKey: "one",
  hostKey: "ssh-ed25519 AAAA",
  orderId: 5,
};
const running: ServiceState = { runsAs: "native", because: "asked for", revision: "aa", status: "running" };

const inputs = (change: Record<string, unknown> = {}): ServiceInputs =>
  serviceInputs.parse({
    name: "proxy",
    connection,
    process: { command: ["node", "proxy.mjs"] },
    container: { build: { context: "/here/proxy", extraFiles: { "proxy.mjs": "/here/dist/proxy.mjs" } } },
    files: [{ path: "proxy.mjs", source: "/here/dist/proxy.mjs" }],
    env: { PORT: "8080" },
    secretEnv: { KEY: "k" },
    ports: [8080],
    sources: { "files[0].source": "d1" },
    ...change,
  });

interface Case {
  name: string;
  change: Record<string, unknown>;
  /** "path: kind" of each change. */
  changes: string[];
}

describe("a running service", () => {
  test.each<Case>([
    { name: "nothing", change: {}, changes: [] },
    { name: "its environment", change: { env: { PORT: "8080", MODEL: "x" } }, changes: ["env: update"] },
    { name: "a secret of it", change: { secretEnv: { KEY: "k2" } }, changes: ["secretEnv: update"] },
    {
      name: "the content of a local file",
      change: { sources: { "files[0].source": "d2" } },
      changes: ["sources: update"],
    },
    {
      name: "the folder that the project lies in",
      change: {
        files: [{ path: "proxy.mjs", source: "/there/dist/proxy.mjs" }],
        container: {
          build: { context: "/there/proxy", extraFiles: { "proxy.mjs": "/there/dist/proxy.mjs" } },
        },
      },
      changes: [],
    },
    {
      name: "where a file goes",
      change: { files: [{ path: "b.mjs", source: "/x" }] },
      changes: ["files: update"],
    },
    {
      name: "a file's mode",
      change: { files: [{ path: "proxy.mjs", source: "/x", mode: "0600" }] },
      changes: ["files: update"],
    },
    {
      name: "its command",
      change: { process: { command: ["node", "b.mjs"] } },
      changes: ["process: update"],
    },
    {
      name: "a build argument",
      change: { container: { build: { context: "/here/proxy", args: { BASE: "x" } } } },
      changes: ["container: update"],
    },
    { name: "its ports", change: { ports: [8081] }, changes: ["ports: update"] },
    {
      name: "its health check",
      change: { health: { http: { port: 8080, path: "/" } } },
      changes: ["health: update"],
    },
    { name: "how it runs", change: { mode: "native" }, changes: ["mode: update"] },
    { name: "its name", change: { name: "other" }, changes: ["name: replace"] },
    {
      name: "the key to the same machine",
      change: { connection: { ...connection, privateKey: "two" } },
      changes: [],
    },
    {
      name: "another order",
      change: { connection: { ...connection, orderId: 6 } },
      changes: ["connection: replace"],
    },
    {
      name: "another host key",
      change: { connection: { ...connection, hostKey: "ssh-ed25519 BBBB" } },
      changes: ["connection: replace"],
    },
  ])("$name changes: $changes", ({ change, changes }) => {
    const found = service.changes({ inputs: inputs(), state: running }, inputs(change));
    expect(found.map(({ path, kind }) => `${path}: ${kind}`)).toEqual(changes);
  });

  test.each(["exited", "stopped", "unknown", "backoff"])("that was seen %s is to be mended", (status) => {
    expect(service.changes({ inputs: inputs(), state: { ...running, status } }, inputs())).toEqual([
      { path: "status", kind: "update", drift: true },
    ]);
  });

  test("is never replaced for its environment, files or ports, whatever they are", () => {
    const texts = fc.dictionary(fc.stringMatching(/^[A-Z]{1,5}$/), fc.string());
    const change = fc.record({
      env: texts,
      secretEnv: texts,
      ports: fc.array(fc.integer({ min: 1, max: 65535 }), { maxLength: 3 }),
      sources: texts,
    });
    fc.assert(
      fc.property(change, change, (before, after) => {
        const found = service.changes({ inputs: inputs(before), state: running }, inputs(after));
        expect(found.filter(({ kind }) => kind === "replace")).toEqual([]);
        const same = service.changes(
          { inputs: inputs(before), state: running },
          inputs(structuredClone(before)),
        );
        expect(same).toEqual([]);
      }),
    );
  });
});
