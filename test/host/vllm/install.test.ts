import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readFacts } from "../../../src/host/facts.ts";
import { removeAll } from "../../../src/host/layout.ts";
import { serviceLogs } from "../../../src/host/service.ts";
import { vllmProcess } from "../../../src/host/vllm/install.ts";
import { firstCompletion, tokensPerSecond } from "../../../src/host/vllm/questions.ts";
import { vllmCommand } from "../../../src/host/vllm/serve.ts";
import type { Properties } from "../../../src/provider/rpc/values.ts";
import { Engine } from "../../support/engine.ts";
import { rtx3090 } from "../../support/machines.ts";
import { needs } from "../../support/needs.ts";
import { startVariant, type VariantHost } from "../../support/variants.ts";
import { run } from "../variants/contract.ts";
import { standIn } from "./stand-in.ts";

const wheels = "/root/wheels";
const environment = "/root/.pulumi-clore/runtime/vllm-0.17.1";
const model = "google/gemma-3-4b-it";
const token = "hf_fromTheTest";

// What is installed is a stand-in of vLLM's API; Debian's packages, the virtual environment and pip are the real ones.
describe.skipIf(needs("docker"))("vLLM on an unprivileged Debian with a GPU", () => {
  let host: VariantHost;
  let engine: Engine;
  beforeAll(async () => {
    host = await startVariant("plain");
    engine = await Engine.start({ env: { CLORE_VLLM_INDEX: wheels } });
  });
  afterAll(async () => {
    await engine[Symbol.asyncDispose]();
    await host[Symbol.asyncDispose]();
  });

  /** As it is, but with the disk of a rental: this machine's own need not be that large. */
  const facts = async () => ({ ...(await readFacts(host.ssh)), disk: { totalGb: 100, freeGb: 50 } });
  const connection = (): Properties => {
    const { address, port, user, privateKey } = host.machine;
    return { address, port, user, privateKey, hostKey: host.ssh.hostKey };
  };

  test("is refused without a GPU, before anything is downloaded", async () => {
    await host.machine.machine.setGpus([]);
    await expect(vllmProcess(host.ssh, await facts())).rejects.toMatchObject({ code: "host.no-gpu" });
    expect(await run(host.ssh, "ls -A | grep clore; ls /var/lib/apt/lists | wc -l")).toBe("0\n");
    await host.machine.machine.setGpus([rtx3090]);
  });

  test("an index without it is an error with pip's own words", async () => {
    await run(host.ssh, `mkdir ${wheels}`);
    await expect(vllmProcess(host.ssh, await facts(), { index: wheels })).rejects.toMatchObject({
      code: "host.vllm-install-failed",
      seen: expect.stringContaining("No matching distribution found for vllm==0.17.1"),
    });
  }, 300_000);

  test("is installed into a virtual environment of ours, once, though two ask at the same time", async () => {
    await host.ssh.writeFiles([
      { path: `${wheels}/${standIn.fileName}`, content: standIn.content, mode: 0o644 },
    ]);
    const install = async () => vllmProcess(host.ssh, await facts(), { index: wheels });
    const [made, meanwhile] = await Promise.all([install(), install()]);
    expect(meanwhile).toEqual(made);
    expect(made).toEqual({
      program: `${environment}/bin/vllm`,
      env: {
        HOME: "/root/.pulumi-clore/vllm",
        PATH: `${environment}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/cuda/bin`,
        VLLM_NO_USAGE_STATS: "1",
        DO_NOT_TRACK: "1",
      },
    });
    await run(host.ssh, `rm -r ${wheels}`);
    expect(await install()).toEqual(made);
  }, 60_000);

  test("serves a model on loopback only, and its token is seen by nobody", async () => {
    const inputs: Properties = {
      name: "vllm",
      connection: connection(),
      mode: "native",
      process: { command: vllmCommand({ model, port: 8000, maxModelLen: 8192 }) },
      secretEnv: { HF_TOKEN: token },
      ports: [8000],
      health: { http: { port: 8000, path: "/health" }, timeoutSeconds: 30 },
    };
    const checked = await engine.check("Service", inputs);
    expect(checked.failures).toEqual([]);
    const { values } = await engine.create("Service", checked.values);
    expect(values).toMatchObject({ runsAs: "native", status: "running" });
    expect(await run(host.ssh, "ss -Hltn 'sport = :8000' | tr -s ' ' | cut -d' ' -f4")).toBe(
      "127.0.0.1:8000\n",
    );
    expect(await serviceLogs(host.ssh, "vllm", 5)).toBe(
      `token ${token.length} home /root/.pulumi-clore/vllm\n`,
    );
    expect(await run(host.ssh, "ps -eo args")).not.toContain(token);
    expect(engine.lines.join("\n")).not.toContain(token);
  }, 60_000);

  test("answers: the model is listed, and a real prompt has a speed", async () => {
    const base = "http://127.0.0.1:8000/v1";
    const ask = async (inputs: Properties) => {
      const checked = await engine.check("HealthCheck", { connection: connection(), ...inputs });
      expect(checked.failures).toEqual([]);
      return (await engine.create("HealthCheck", checked.values)).values;
    };
    await ask({ url: `${base}/models`, expect: { contains: JSON.stringify(model) } });
    const question = { json: firstCompletion(model), expect: { jsonText: "choices[0].text" } };
    const { answer, latencyMs } = await ask({ url: `${base}/completions`, ...question });
    expect(answer).toMatch(/^(word ){64}$/);
    // The stand-in takes 2 ms a token: 500 tok/s less the way.
    expect(tokensPerSecond(latencyMs as number)).toBeGreaterThan(10);
    expect(tokensPerSecond(latencyMs as number)).toBeLessThan(500);
  });

  test("is not installed where the host's image has it, and only in the pinned version", async () => {
    // The environment plays an image's: what marks it as ours is taken away.
    const mark = `${environment}/complete`;
    await run(host.ssh, `rm ${mark} /usr/bin/nvidia-smi; ln -s ${environment}/bin/vllm /usr/local/bin/vllm`);
    expect((await vllmProcess(host.ssh, await facts())).program).toBe("/usr/local/bin/vllm");
    await run(host.ssh, `mv ${environment}/lib/python3.*/site-packages/vllm-0.17.1.dist-info /tmp`);
    await expect(vllmProcess(host.ssh, await facts())).rejects.toMatchObject({ code: "host.no-gpu" });
  });

  test("is removed with all that it brought below our folder", async () => {
    await removeAll(host.ssh);
    expect(await run(host.ssh, "ls -A | grep clore; ps -eo args | grep '[v]llm' || true")).toBe("");
  });
});
