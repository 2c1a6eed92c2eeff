import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Secret } from "../../../src/core/secret.ts";
import {
  type ContainerSpec,
  dockerOver,
  ensureContainer,
  ensureDocker,
  observeContainer,
  removeContainer,
} from "../../../src/host/docker.ts";
import { readFacts } from "../../../src/host/facts.ts";
import { httpOnHost } from "../../../src/host/http.ts";
import { removeAll } from "../../../src/host/layout.ts";
import { chooseMode } from "../../../src/host/mode.ts";
import { observeService } from "../../../src/host/service.ts";
import { startVariant, type VariantHost } from "../../support/variants.ts";
import { run } from "./contract.ts";

/** Python of the host answers HTTP with the word it was given. */
const program = `
import os, socket
server = socket.create_server(("0.0.0.0", 8000))
while True:
    client, _ = server.accept()
    client.recv(4096)
    word = os.environ["WORD"].encode()
    client.sendall(b"HTTP/1.1 200 OK\\r\\ncontent-length: %d\\r\\nconnection: close\\r\\n\\r\\n%s" % (len(word), word))
    client.close()
`;
const web: ContainerSpec = {
  name: "web",
  image: "local/python:1",
  command: ["/usr/bin/python3.11", "-c", program],
  secretEnv: { WORD: new Secret("inside") },
  ports: [{ container: 8000, host: 8123 }],
  stopTimeoutSeconds: 1,
  health: { http: { port: 8000, path: "/" }, timeoutSeconds: 30 },
};

/** A few files of the host's own as an image: no registry is asked. */
const importImage = `set -e
libraries=$(ldd /usr/bin/python3.11 | sed -n 's|.*[[:space:]]\\(/[^ ]*\\) (0x.*|\\1|p' | sort -u)
tar -C / -chf - usr/bin/python3.11 usr/lib/python3.11 $(echo "$libraries" | sed 's|^/||') | docker import - local/python:1`;

/** A machine of one's own without Docker, on which Docker can be installed. */
export function describeDockerKind(): void {
  describe("on a host of kind docker", () => {
    let host: VariantHost;
    beforeAll(async () => {
      // Without a GPU: NVIDIA's toolkit comes from its own repository, which tests do not reach.
      host = await startVariant("docker", { gpus: [] });
    });
    afterAll(() => host[Symbol.asyncDispose]());

    test("auto stays native, and mode docker is offered", async () => {
      const facts = await readFacts(host.ssh);
      expect(facts).toMatchObject({
        pid1: "bash",
        privileged: true,
        systemd: false,
        docker: { works: false },
      });
      expect(chooseMode("auto", facts)).toEqual({
        mode: "native",
        because:
          "no Docker here (it could be installed: ask for mode docker); processes under our own supervisor",
      });
      expect(chooseMode("docker", facts).because).toBe("asked for; Docker is missing and can be installed");
    });

    test("Docker is installed from nothing, supervised, and auto chooses it from then on", async () => {
      const facts = await ensureDocker(host.ssh, await readFacts(host.ssh));
      expect(facts.docker).toMatchObject({ cli: true, works: true, socket: "/var/run/docker.sock" });
      expect(chooseMode("auto", facts).mode).toBe("docker");
      expect(await observeService(host.ssh, "dockerd")).toMatchObject({ running: true, provenHealthy: true });
    }, 300_000);

    test("a container runs over our connection, on the host's loopback only", async () => {
      await run(host.ssh, importImage);
      using docker = dockerOver(host.ssh, await readFacts(host.ssh));
      const made = await ensureContainer(docker, web);
      expect(made).toMatchObject({ running: true, restarts: 0, restartPolicy: "unless-stopped" });
      expect(await ask(host)).toBe("inside");
      await expect(fetch(`http://${addressOf(host)}:8123/`)).rejects.toThrow("fetch failed");
      expect((await ensureContainer(docker, web)).id).toBe(made.id);
    });

    test("GPUs that this Docker cannot give are an error with a way out, and nothing is left", async () => {
      using docker = dockerOver(host.ssh, await readFacts(host.ssh));
      const { ports: _, health: __, ...plain } = web;
      await expect(ensureContainer(docker, { ...plain, name: "gpus", gpus: "all" })).rejects.toMatchObject({
        code: "host.docker-no-gpus",
        message: "container gpus: the host's Docker cannot give GPUs to containers",
        seen: expect.stringContaining("[[gpu]]"),
      });
      await removeContainer(docker, "gpus", 1);
      expect((await observeContainer(docker.docker, "gpus")).current).toBeUndefined();
    });

    test("after a restart of the machine daemon and container come back by themselves", async () => {
      await host.reboot();
      await expect.poll(() => ask(host).catch(() => "not yet"), { timeout: 60_000 }).toBe("inside");
      const facts = await readFacts(host.ssh);
      expect(await ensureDocker(host.ssh, facts)).toBe(facts);
      using docker = dockerOver(host.ssh, facts);
      expect(await ensureContainer(docker, web)).toMatchObject({ running: true });
    }, 120_000);

    test("container and daemon are removed", async () => {
      using docker = dockerOver(host.ssh, await readFacts(host.ssh));
      await removeContainer(docker, "web", 1);
      expect((await observeContainer(docker.docker, "web")).current).toBeUndefined();
      await removeAll(host.ssh);
      expect(
        await run(host.ssh, "ls -A | grep pulumi-clore; ps -eo comm | grep -E 'dockerd|containerd' || true"),
      ).toBe("");
    }, 60_000);
  });
}

async function ask(host: VariantHost): Promise<string> {
  return (await httpOnHost(host.ssh, { port: 8123, path: "/", timeoutMs: 5000 })).body;
}

/** The machine's own address, as a neighbour on its network reaches it. */
function addressOf(host: VariantHost): string {
  const format = "{{.NetworkSettings.IPAddress}}";
  return execFileSync("docker", ["inspect", "-f", format, host.machine.machine.id], {
    encoding: "utf8",
  }).trim();
}
