import { expect, test } from "vitest";
import { ensureDocker } from "../../../src/host/docker.ts";
import type { SshConnection } from "../../../src/ssh/types.ts";
import { rental } from "../support.ts";

/** A host on which nothing may be done. */
const untouchable = new Proxy({} as SshConnection, {
  get: (_target, key) => {
    throw new Error(`${String(key)} was called`);
  },
});

test("an unprivileged container is refused before anything is done on it", async () => {
  await expect(ensureDocker(untouchable, rental)).rejects.toMatchObject({
    code: "host.docker-impossible",
    seen: "the host is an unprivileged container (no CAP_SYS_ADMIN)",
  });
});

test("a host where Docker works is left alone", async () => {
  const docker = { cli: true, socket: "/var/run/docker.sock", works: true, version: "27.1.1" };
  const facts = { ...rental, docker };
  expect(await ensureDocker(untouchable, facts)).toBe(facts);
});
