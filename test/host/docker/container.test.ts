import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Secret } from "../../../src/core/secret.ts";
import {
  type ContainerSpec,
  containerLogs,
  type DockerHost,
  dockerOver,
  ensureContainer,
  observeContainer,
  planContainer,
  removeContainer,
} from "../../../src/host/docker.ts";
import { readFacts } from "../../../src/host/facts.ts";
import { freePort } from "../../support/sshd.ts";
import { startHost, type TestHost } from "../support.ts";
import { importTinyImage, nodeVolume } from "./image.ts";

const unique = `clore-test-${process.pid}`;
const image = `${unique}:tiny`;
let machine: TestHost;
let host: DockerHost;

beforeAll(async () => {
  importTinyImage(image);
  machine = await startHost();
  host = dockerOver(machine.ssh, await readFacts(machine.ssh));
});
afterAll(async () => {
  const left = docker("ps", "-aq", "--filter", `name=${unique}`).split("\n").filter(Boolean);
  if (left.length > 0) docker("rm", "-f", ...left);
  docker("rmi", "-f", ...docker("images", "-q", `pulumi-clore/${unique}`).split("\n").filter(Boolean), image);
  host[Symbol.dispose]();
  await machine[Symbol.asyncDispose]();
});

/** A second client, for what the first one says. */
function docker(...args: string[]): string {
  try {
    return execFileSync("docker", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return "";
  }
}

/** A container that answers its version at a port of the host's loopback. */
function web(port: number, version: string, more: Partial<ContainerSpec> = {}): ContainerSpec {
  const program = `
    console.log("version ${version}");
    process.on("SIGTERM", () => process.exit(0));
    require("node:http").createServer((q, r) => r.end("${version} " + process.env.TOKEN)).listen(8000);
  `;
  return {
    name: unique,
    image,
    command: ["/bin/node", "-e", program],
    secretEnv: { TOKEN: new Secret("s3cret") },
    ports: [{ container: 8000, host: port }],
    volumes: [nodeVolume],
    stopTimeoutSeconds: 2,
    health: { http: { port: 8000, path: "/" }, timeoutSeconds: 10 },
    ...more,
  };
}

/** Docker listens before the program does, which matters after going back: then nobody waits for its health. */
async function ask(port: number): Promise<string> {
  for (let tries = 1; ; tries++) {
    try {
      return await (await fetch(`http://127.0.0.1:${port}/`)).text();
    } catch (error) {
      if (tries === 50) throw error;
      await delay(50);
    }
  }
}

describe("a container", () => {
  let port: number;

  test("that crashes the first time is not left crashing, and a mended one is made", async () => {
    port = await freePort();
    const crashing = web(port, "zero", { command: ["/bin/sh", "-c", "exit 5"] });
    await expect(ensureContainer(host, crashing)).rejects.toMatchObject({
      code: "host.container-crashed",
      message: `container ${unique} ended at its start with exit code 5`,
    });
    expect(docker("inspect", "-f", "{{.State.Status}} {{.RestartCount}}", unique)).toBe("exited 0");
    expect(await ensureContainer(host, web(port, "zero"))).toMatchObject({ running: true });
    await removeContainer(host, unique, 1);
  });

  test("is made, answers on loopback only, and is left alone the second time", async () => {
    port = await freePort();
    const made = await ensureContainer(host, web(port, "one"));
    expect(made).toMatchObject({ running: true, restarts: 0, imageDigest: undefined });
    expect(await ask(port)).toBe("one s3cret");
    expect(docker("port", unique)).toBe(`8000/tcp -> 127.0.0.1:${port}`);
    expect(
      docker("inspect", "-f", "{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.LogConfig.Config}}", unique),
    ).toBe("unless-stopped map[max-file:3 max-size:10m]");
    expect((await ensureContainer(host, web(port, "one"))).id).toBe(made.id);
    expect(planContainer(web(port, "one"), await observeContainer(host.docker, unique)).steps).toEqual([]);
  });

  test("that was stopped is started, not made anew", async () => {
    const { id } = await ensureContainer(host, web(port, "one"));
    docker("stop", "-t", "1", unique);
    const again = await ensureContainer(host, web(port, "one"));
    expect(again).toMatchObject({ id, running: true });
  });

  test("with a changed spec takes the place of the one before", async () => {
    await ensureContainer(host, web(port, "two"));
    expect(await ask(port)).toBe("two s3cret");
    expect(docker("ps", "-a", "--filter", `name=${unique}`, "--format", "{{.Names}}")).toBe(unique);
  });

  test("that crashes gives its exit code and last lines, and the old one answers", async () => {
    const command = ["/bin/sh", "-c", "echo 'no config' >&2; exit 9"];
    await expect(ensureContainer(host, web(port, "three", { command }))).rejects.toMatchObject({
      code: "host.container-crashed",
      message: `container ${unique} ended at its start with exit code 9; the one before it runs again`,
      seen: "no config",
    });
    expect(await ask(port)).toBe("two s3cret");
    expect(planContainer(web(port, "two"), await observeContainer(host.docker, unique)).steps).toEqual([]);
  });

  test("that never gets healthy gives way to the old one", async () => {
    const health = { command: ["/bin/sh", "-c", "echo not yet; exit 1"], timeoutSeconds: 1 };
    await expect(ensureContainer(host, web(port, "mute", { health }))).rejects.toMatchObject({
      code: "host.container-unhealthy",
      message: `container ${unique} was not healthy within 1 s; the one before it runs again`,
      seen: "last check: exit code 1: not yet\nversion mute",
    });
    expect(await ask(port)).toBe("two s3cret");
  });

  test("whose port is taken says so, and the old one answers", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const taken = (other.address() as { port: number }).port;
    try {
      await expect(ensureContainer(host, web(taken, "moved"))).rejects.toMatchObject({
        code: "host.port-taken",
      });
      expect(await ask(port)).toBe("two s3cret");
    } finally {
      other.close();
    }
  });

  test("whose image is nowhere changes nothing", async () => {
    const spec = web(port, "four", { image: "127.0.0.1:1/nothing:1" });
    await expect(ensureContainer(host, spec)).rejects.toMatchObject({ code: "host.image-pull-failed" });
    expect(await ask(port)).toBe("two s3cret");
  });

  test("is finished by the next run when a change was cut short", async () => {
    docker("rename", unique, `${unique}-previous`);
    docker("stop", "-t", "1", `${unique}-previous`);
    await ensureContainer(host, web(port, "five"));
    expect(await ask(port)).toBe("five s3cret");
    expect(docker("ps", "-a", "--filter", `name=${unique}`, "--format", "{{.Names}}")).toBe(unique);
  });

  test("can be built on the host from files", async () => {
    const files = [
      {
        path: "Dockerfile",
        content: `FROM ${image}\nARG WORD\nCOPY word.txt /\nENV WORD=$WORD\nCMD ["/bin/sh", "-c", "cat /word.txt; echo $WORD; sleep 1000"]\n`,
      },
      { path: "word.txt", content: "from a file\n" },
    ];
    const health = { command: ["/bin/cat", "/word.txt"], timeoutSeconds: 10 };
    const spec: ContainerSpec = {
      name: unique,
      image: { files, args: { WORD: "from an argument" } },
      stopTimeoutSeconds: 1,
      health,
    };
    await ensureContainer(host, spec);
    expect(await containerLogs(host.docker, unique, 10)).toBe("from a file\nfrom an argument\n");
    const broken = {
      ...spec,
      image: { files: [{ path: "Dockerfile", content: `FROM ${image}\nRUN echo so far; exit 3\n` }] },
    };
    await expect(ensureContainer(host, broken)).rejects.toMatchObject({
      code: "host.image-build-failed",
      seen: expect.stringContaining("so far"),
    });
    await ensureContainer(host, { ...spec, image: { files, args: { WORD: "another" } } });
    // The image before it is not kept for ever.
    expect(docker("images", "-q", `pulumi-clore/${unique}`).split("\n")).toHaveLength(1);
  });

  test("goes, twice", async () => {
    await removeContainer(host, unique, 1);
    await removeContainer(host, unique, 1);
    expect(docker("ps", "-aq", "--filter", `name=${unique}`)).toBe("");
    expect(docker("images", "-q", `pulumi-clore/${unique}`)).toBe("");
  });

  test("of somebody else's with the same name is not touched", async () => {
    docker("run", "-d", "--name", unique, image, "/bin/sleep", "1000");
    const { current } = await observeContainer(host.docker, unique);
    await expect(ensureContainer(host, web(port, "one"))).rejects.toMatchObject({ code: "host.name-taken" });
    await removeContainer(host, unique);
    expect((await observeContainer(host.docker, unique)).current?.id).toBe(current?.id);
    docker("rm", "-f", unique);
  });
});

test("a host whose Docker does not work is refused", () => {
  const facts = { docker: { cli: true, socket: undefined, works: false, version: undefined } };
  expect(() => dockerOver(machine.ssh, facts)).toThrow(
    expect.objectContaining({ code: "host.docker-missing" }),
  );
});
