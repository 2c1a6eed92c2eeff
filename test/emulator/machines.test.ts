import { access } from "node:fs/promises";
import { createConnection } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { marked } from "../../src/emulator/machines/processes.ts";
import { startMachine, type TestMachine } from "../support/machines.ts";
import { connect, exec, run } from "./support.ts";

/** Python is there on both kinds; its small HTTP server is not, so one by hand. */
const httpServer = (port: number) =>
  `python3 -c '
import socket
s=socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("0.0.0.0",${port})); s.listen()
while 1:
  c=s.accept()[0]; c.recv(9999); c.sendall(b"HTTP/1.1 200 OK\\r\\ncontent-length: 4\\r\\nconnection: close\\r\\n\\r\\nhere"); c.close()
' >/dev/null 2>&1 </dev/null &`;

describe.each(["sandbox", "docker"] as const)("a %s machine", (kind) => {
  let machine: TestMachine;
  const appPort = kind === "sandbox" ? 18473 : 8080;

  beforeAll(async () => {
    machine = await startMachine({ kind, httpPort: appPort });
  }, 300_000);
  afterAll(() => machine?.close());

  test("runs commands with stdin, both outputs and the exit code", async () => {
    const answer = await run(machine, "cat; echo out; echo err >&2; exit 7", "in\n");
    expect(answer).toMatchObject({ code: 7, stdout: "in\nout\n", stderr: "err\n" });
  });

  test("says by which signal a command ended", async () => {
    expect(await run(machine, "kill -TERM $$")).toMatchObject({ signal: "SIGTERM" });
  });

  test("takes no signals: OpenSSH refuses them to root", async () => {
    const client = await connect(machine);
    const answer = new Promise((resolve) =>
      client.exec("sleep 1; echo lived", (_error, channel) => {
        channel.on("data", (data: Buffer) => resolve(data.toString()));
        setTimeout(() => channel.signal("TERM"), 200);
      }),
    );
    expect(await answer).toBe("lived\n");
    client.end();
  });

  test("carries a megabyte both ways unharmed", async () => {
    const text = "0123456789abcdef".repeat(65_536);
    const answer = await run(machine, "cat", text);
    expect(answer.stdout === text).toBe(true);
  });

  test("lets in nobody but root with the order's key", async () => {
    const { newKeyPair } = await import("../support/machines.ts");
    await expect(connect({ ...machine, privateKey: newKeyPair().privateKey })).rejects.toThrow(
      /authentication/i,
    );
    await expect(connect({ ...machine, username: "nobody" })).rejects.toThrow(/authentication/i);
  });

  test("starts in the home folder with a clean environment", async () => {
    process.env.LEAK_PROBE = "leak";
    const { stdout } = await run(machine, 'pwd; echo "$HOME"; env');
    delete process.env.LEAK_PROBE;
    const [pwd, home] = stdout.split("\n");
    expect(pwd).toBe(home);
    expect(stdout).not.toContain("leak");
  });

  test("has neither docker nor systemctl nor their sockets in reach", async () => {
    const { stdout } = await run(machine, "command -v docker; command -v systemctl; command -v sh");
    expect(stdout.trim().split("\n")).toHaveLength(1);
    const client = await connect(machine);
    const failed = await new Promise((resolve) =>
      client.openssh_forwardOutStreamLocal("/var/run/docker.sock", (error) => resolve(error)),
    );
    expect(failed).toBeInstanceOf(Error);
    client.end();
  });

  test("allows ten sessions at once on a connection, not eleven", async () => {
    const client = await connect(machine);
    const open = await Promise.all(
      Array.from(
        { length: 11 },
        () =>
          new Promise<string>((resolve) =>
            client.exec("sleep 1", (error) => resolve(error ? "refused" : "open")),
          ),
      ),
    );
    expect(open.filter((one) => one === "open")).toHaveLength(10);
    client.destroy();
  });

  test("shows the promised GPU in nvidia-smi, in both forms", async () => {
    const query = "nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader";
    expect((await run(machine, query)).stdout).toBe("NVIDIA GeForce RTX 3090, 24576 MiB, 550.127.05\n");
    expect(
      (await run(machine, "nvidia-smi --query-gpu=index,memory.total --format=csv,nounits")).stdout,
    ).toBe("index, memory.total\n0, 24576\n");
    expect((await run(machine, "nvidia-smi")).stdout).toContain("| NVIDIA-SMI 550.127.05");
    expect((await run(machine, "nvidia-smi -L")).stdout).toContain(
      "GPU 0: NVIDIA GeForce RTX 3090 (UUID: GPU-",
    );
  });

  test("shows another GPU, or none, when told", async () => {
    await machine.machine.setGpus([{ name: "NVIDIA GeForce RTX 4090 D", vramGb: 24 }]);
    expect((await run(machine, "nvidia-smi --query-gpu=name --format=csv,noheader")).stdout).toBe(
      "NVIDIA GeForce RTX 4090 D\n",
    );
    await machine.machine.setGpus([]);
    expect((await run(machine, "nvidia-smi")).code).toBe(9);
    await machine.machine.setGpus([{ name: "NVIDIA GeForce RTX 3090", vramGb: 24 }]);
  });

  test("answers 502 with JSON on its public address until the app listens, then passes it through", async () => {
    const before = await fetch(machine.httpUrl!);
    expect([before.status, await before.json()]).toMatchObject([502, { status: 502 }]);
    await run(machine, httpServer(appPort));
    for (let look = 0; look < 50 && (await fetch(machine.httpUrl!)).status === 502; look++) await delay(50);
    expect(await (await fetch(machine.httpUrl!)).text()).toBe("here");
  });

  test("forwards a connection to a port on its loopback, and refuses where nobody listens", async () => {
    const client = await connect(machine);
    const answer = await new Promise<string>((resolve, reject) =>
      client.forwardOut("127.0.0.1", 1, "127.0.0.1", appPort, (error, stream) => {
        if (error) return reject(error);
        stream.write("GET / HTTP/1.0\r\n\r\n");
        stream.once("data", (data: Buffer) => resolve(data.toString()));
      }),
    );
    expect(answer).toContain("200 OK");
    const refused = await new Promise((resolve) =>
      client.forwardOut("127.0.0.1", 1, "127.0.0.1", 1, (error) => resolve(error)),
    );
    expect(refused).toBeInstanceOf(Error);
    client.end();
  });

  test("forwards to a unix socket of its own", async () => {
    const client = await connect(machine);
    const server = `import os,socket,sys; p=os.environ["HOME"]+"/s"; s=socket.socket(socket.AF_UNIX); s.bind(p); s.listen(); print(p,flush=True); s.accept()[0].sendall(b"hello")`;
    const path = await new Promise<string>((resolve) =>
      client.exec(`python3 -c '${server}'`, (_error, channel) =>
        channel.once("data", (data: Buffer) => resolve(data.toString().trim())),
      ),
    );
    const answer = await new Promise<string>((resolve, reject) =>
      client.openssh_forwardOutStreamLocal(path, (error, stream) =>
        error ? reject(error) : stream.once("data", (data: Buffer) => resolve(data.toString())),
      ),
    );
    expect(answer).toBe("hello");
    client.end();
  });

  test("keeps background processes when the connection ends, and loses them when told", async () => {
    await run(machine, "nohup setsid sleep 4711 >/dev/null 2>&1 </dev/null &");
    const running = async () => (await run(machine, "pgrep -f '[s]leep 4711'")).stdout.trim();
    expect(await running()).not.toBe("");
    await machine.machine.killProcesses();
    expect(await running()).toBe("");
  });

  test("comes back after a reboot with its files and without its processes", async () => {
    await run(machine, "echo kept > note; nohup sleep 4712 >/dev/null 2>&1 </dev/null &");
    await machine.machine.reboot();
    let answer: Awaited<ReturnType<typeof run>> | undefined;
    for (let look = 0; look < 60 && !answer; look++) {
      answer = await run(machine, "cat note; pgrep -f '[s]leep 4712'").catch(() => undefined);
      await delay(100);
    }
    expect(answer?.stdout).toBe("kept\n");
  });

  test("has a host key of its own, and another when told", async () => {
    const key = async () => {
      const client = await connect(machine);
      client.end();
      return client.hostKey;
    };
    const first = await key();
    expect(await key()).toBe(first);
    await machine.machine.changeHostKey();
    expect(await key()).not.toBe(first);
  });

  test("lets nobody in any more once it is locked", async () => {
    await machine.machine.lockOut();
    await expect(connect(machine)).rejects.toThrow(/authentication/i);
  });

  test("leaves nothing behind: no process, no folder, no container", async () => {
    const short = await startMachine({ kind, command: "sleep 4713" });
    await run(short, "nohup setsid sleep 4714 >/dev/null 2>&1 </dev/null & echo");
    const { id } = short.machine;
    await short.close();
    if (kind === "docker")
      expect((await execa("docker", ["ps", "-aq", "--filter", `name=${id}`])).stdout).toBe("");
    else {
      expect(await marked(id)).toEqual([]);
      await expect(access(id)).rejects.toThrow("ENOENT");
    }
    await expect(
      new Promise((_resolve, reject) => createConnection(short.port, "127.0.0.1").on("error", reject)),
    ).rejects.toThrow("ECONNREFUSED");
  });
});

describe("a container host", () => {
  test("is unprivileged: it may not mount", async () => {
    await using machine = await startMachine({ kind: "docker" });
    expect((await run(machine, "mount -t tmpfs none /mnt")).code).not.toBe(0);
    expect((await run(machine, "cat /proc/1/cmdline | tr '\\0' ' '")).stdout).toContain(
      "/etc/order_entrypoint.sh",
    );
  });

  test("reaches the laptop as host.docker.internal", async () => {
    await using machine = await startMachine({ kind: "docker" });
    expect((await run(machine, "getent hosts host.docker.internal")).stdout).toContain(
      "host.docker.internal",
    );
  });

  test("really has no room when its disk is full", async () => {
    await using machine = await startMachine({ kind: "docker", diskFull: true });
    const answer = await run(machine, "dd if=/dev/zero of=big bs=1k count=200");
    expect(answer.stderr).toContain("No space left on device");
  });

  test("with supervisord has supervisorctl that answers", async () => {
    await using machine = await startMachine({ kind: "docker", variant: "supervisord" });
    expect((await run(machine, "sleep 1.5; supervisorctl status sshd")).stdout).toContain("RUNNING");
  });

  test("with systemd says that it is running", async () => {
    await using machine = await startMachine({ kind: "docker", variant: "systemd" });
    expect((await run(machine, "systemctl is-system-running --wait")).stdout.trim()).toBe("running");
  });

  test("for Docker has the rights that a daemon needs", async () => {
    await using machine = await startMachine({ kind: "docker", variant: "docker" });
    expect((await run(machine, "mount -t tmpfs none /mnt && umount /mnt")).code).toBe(0);
    expect((await run(machine, "ip link add probe0 type bridge && ip link del probe0")).code).toBe(0);
  });
});

test("a sandbox machine whose disk is full says so in df", async () => {
  await using machine = await startMachine({ diskFull: true });
  expect((await run(machine, "df -Pk .")).stdout).toContain("100%");
});

test("exec needs no shell of the laptop's user: two machines do not see each other's home", async () => {
  await using one = await startMachine();
  await using other = await startMachine();
  const client = await connect(one);
  await exec(client, "echo mine > note");
  client.end();
  expect((await run(other, "ls -A")).stdout).toBe("");
});
