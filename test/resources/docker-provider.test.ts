import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { afterAll, expect, test } from "vitest";

const home = mkdtempSync(join(tmpdir(), "clore-docker-provider-"));
process.env.CLORE_HOME = home;
afterAll(() => rmSync(home, { recursive: true, force: true }));

const registered: pulumi.runtime.MockResourceArgs[] = [];
await pulumi.runtime.setMocks({
  newResource(args) {
    registered.push(args);
    return { id: args.name, state: args.inputs };
  },
  call: () => ({}),
});

test("hands over host, key file and pinned host key, and no key in the inputs", async () => {
  const { dockerProvider } = await import("../../src/resources/docker-provider.ts");
  const provider = dockerProvider("on-gpu", {
    connection: {
      address: "192.0.2.7",
      port: 1972,
      user: "root",
      privateKey: "PRIVATE",
      hostKey: "ssh-ed25519 AAAA",
    },
  });
  await new Promise((resolve) => provider.urn.apply(resolve));
  const [{ type, inputs }] = registered as [pulumi.runtime.MockResourceArgs];
  expect(type).toBe("pulumi:providers:docker");
  expect(inputs.host).toBe("ssh://root@192.0.2.7:1972");
  expect(JSON.stringify(inputs)).not.toContain("PRIVATE");
  const options = JSON.parse(inputs.sshOpts) as string[];
  const key = options[options.indexOf("-i") + 1]!;
  expect(readFileSync(key, "utf8")).toBe("PRIVATE");
  expect(statSync(key).mode & 0o777).toBe(0o600);
  const knownHosts = options.find((option) => option.startsWith("UserKnownHostsFile="))!.split("=")[1]!;
  expect(readFileSync(knownHosts, "utf8")).toBe("[192.0.2.7]:1972 ssh-ed25519 AAAA\n");
});
