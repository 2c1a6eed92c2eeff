import { expect, test } from "vitest";
import { silentLog } from "../../src/core/log.ts";
import { checkInputs } from "../../src/provider/check.ts";
import { configure, type PluginContext } from "../../src/provider/context.ts";
import type { Handler } from "../../src/provider/handler.ts";
import { type Properties, unknown } from "../../src/provider/rpc/values.ts";
import { server } from "../../src/provider/server.ts";

const sshKey = { privateKey: "a private key" };

function check(inputs: Properties, defaultLease?: string) {
  const plugin = { defaultLease } as PluginContext;
  return checkInputs(server as unknown as Handler, { sshKey, ...inputs }, plugin);
}

test("a rented server without a lease is refused, with what to write", () => {
  expect(check({}).problems).toEqual([
    {
      path: "lease",
      problem: expect.stringMatching(/lease: "8h", or lease: "none"; .*pulumi config set clore:lease 8h/),
    },
  ]);
});

test.each<{ name: string; inputs: Properties; configured?: string; lease: unknown }>([
  { name: "its own", inputs: { lease: "90m" }, lease: "90m" },
  { name: "none, said so", inputs: { lease: "none" }, lease: "none" },
  { name: "the configured one", inputs: {}, configured: "8h", lease: "8h" },
  { name: "its own before the configured one", inputs: { lease: "3d" }, configured: "8h", lease: "3d" },
  { name: "one that is not known yet", inputs: { lease: unknown }, lease: unknown },
  { name: "nothing, where the host may be an existing one", inputs: { address: unknown }, lease: undefined },
  {
    name: "nothing, on an existing host",
    inputs: { address: "192.0.2.7" },
    configured: "8h",
    lease: undefined,
  },
])("a server has $name", ({ inputs, configured, lease }) => {
  const checked = check(inputs, configured);
  expect(checked.problems).toEqual([]);
  expect(checked.inputs.lease).toBe(lease);
});

test.each<{ config: Record<string, string>; says: string }>([
  { config: { lease: "8 hours" }, says: 'clore:lease: should be a duration such as "90m"' },
  { config: { maxActivePricePerDay: "0" }, says: "clore:maxActivePricePerDay: should be a number above 0" },
  { config: { maxActivePricePerDay: "ten" }, says: "clore:maxActivePricePerDay: should be a number above 0" },
])("the configuration $config is refused", ({ config, says }) => {
  const env = { CLORE_HOME: "/dev/null/never-opened" };
  expect(() => configure({ config, env, log: silentLog })).toThrow(says);
});
