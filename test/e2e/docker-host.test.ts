import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startGemini } from "../../src/emulator/gemini.ts";
import { bridgeAddress, docker, importNodeImage } from "../support/docker.ts";
import { needs } from "../support/needs.ts";
import { freePort, startSshd } from "../support/sshd.ts";
import { Stack } from "../support/stack.ts";
import { chat, expectOk, liveThrough, resource, takeDown } from "./story.ts";

describe.skipIf(needs("pulumi", "docker", "sshd"))("the Gemini proxy on an existing Docker host", () => {
  const base = `clore-test-node:${process.pid}`;
  const home = mkdtempSync(join(tmpdir(), "clore-host-"));
  let before: Set<string>;
  beforeAll(() => {
    before = new Set(docker("images", "-q").split("\n"));
    importNodeImage(base);
  });
  afterAll(() => {
    const left = docker("images", "-q", "--filter", "reference=pulumi-clore/gemini-proxy").split("\n");
    for (const image of [...left.filter((id) => id && !before.has(id)), base]) docker("rmi", "-f", image);
    rmSync(home, { recursive: true, force: true });
  });

  test("lives through its changes and leaves nothing", { timeout: 400_000 }, async () => {
    const bridge = bridgeAddress();
    await using gemini = await startGemini({ host: ["127.0.0.1", bridge] });
    await using sshd = await startSshd({
      config: [`ForceCommand export HOME=${home}; cd ${home} && exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"`],
    });
    const keyFile = join(sshd.folder, "key");
    writeFileSync(keyFile, sshd.target.privateKey, { mode: 0o600 });
    const port = await freePort();
    const config = {
      host: `${sshd.target.user}@127.0.0.1:${sshd.target.port}`,
      hostPrivateKeyFile: keyFile,
      publicUrl: `http://127.0.0.1:${port}`,
      port,
      mode: "docker",
      baseImage: base,
      upstreamUrl: `http://${bridge}:${gemini.port}`,
    };
    // No key of Clore.ai: nothing is rented, so nobody is asked.
    const env = { CLORE_API_URL: "http://127.0.0.1:9/v1", GOOGLE_API_KEY: gemini.apiKey };
    await using stack = await Stack.create({ config, env });
    const timings: string[] = [];
    const outputs = await liveThrough(
      { stack, config, upstreamKey: gemini.apiKey, runsAs: "docker" },
      timings,
    );

    expect(docker("inspect", "gemini-proxy", "--format", "{{.State.Running}} {{.Config.User}}")).toBe(
      "true 10001:10001",
    );
    expect(
      docker("inspect", "gemini-proxy", "--format", "{{json .Args}} {{json .Config.Labels}}"),
    ).not.toContain(gemini.apiKey);

    // As a process instead: the container makes room for it.
    stack.configure({ ...config, mode: "native" });
    expectOk(await stack.up());
    expect((await resource(stack, "Service")).outputs).toMatchObject({ runsAs: "native", status: "running" });
    expect(docker("ps", "-aq", "--filter", "name=gemini-proxy")).toBe("");
    expect(await chat(outputs)).not.toBe("");

    await takeDown(stack, outputs, timings);
    expect(docker("ps", "-aq", "--filter", "name=gemini-proxy")).toBe("");
    expect(readdirSync(home)).toEqual([]);
    console.log(timings.join(", "));
  });
});
