import * as pulumi from "@pulumi/pulumi";
import { configuredCatalog } from "../catalog/load.ts";
import { CloreError } from "../core/errors.ts";
import { parseHours } from "../cost/duration.ts";
import { VLLM_ENV } from "../host/vllm/install.ts";
import { firstCompletion, tokensPerSecond } from "../host/vllm/questions.ts";
import { VLLM_IMAGE, VLLM_PORT, vllmCommand, vllmContainerArguments } from "../host/vllm/serve.ts";
import { vllmContextTokens } from "../market/for-model.ts";
import { HealthCheck } from "../resources/health-check.ts";
import { type RentedServerArgs, Server } from "../resources/server.ts";
import { Service } from "../resources/service.ts";
import { SshKey } from "../resources/ssh-key.ts";
import { checked } from "./checked.ts";
import { vllmRoom } from "./vllm-request.ts";

export interface VllmServerArgs {
  /** Id on Hugging Face. @example "google/gemma-3-4b-it" */
  model: string;
  /**
   * GPU class by its marketplace name. One that cannot hold a model of the catalog is refused at preview.
   * @default any class that holds it (has `minVramGb`), laptop chips, mining cards and cards before Ampere aside: the
   * offer that finishes cheapest is taken
   */
  gpu?: string;
  /** In GB. Needed for models that the catalog does not know. @default the catalog's figure */
  minVramGb?: number;
  /** What else the server must be like; class, VRAM and ports are set by the component. */
  rent?: Omit<RentedServerArgs, "sshKey" | "ports" | "gpu" | "gpuCount" | "minVramGb" | "autosshEntrypoint">;
  /** An existing Server to run on: nothing is rented. */
  server?: Server;
  /** Tokens of context per request, which memory is set aside for. @default 8192 */
  maxModelLen?: number;
  /** Share of the GPU's memory that vLLM takes, 0 to 1. @default 0.9 */
  gpuMemoryUtilization?: number;
  /** Hugging Face token, for models behind a licence (Gemma, Llama). It reaches the server over SSH only. */
  hfToken?: pulumi.Input<string>;
  /**
   * `native`: vLLM is installed in a virtual environment and supervised. `docker`: the image vllm/vllm-openai on a host
   * with Docker. `image`: the order's own image is vllm/vllm-openai, and nothing has to be installed. `auto`: docker
   * where it works, otherwise native.
   * @default "auto"
   */
  mode?: "auto" | "native" | "docker" | "image";
  /** Port on the server's loopback; it is never public. @default 8000 */
  port?: number;
  /** The most from the start of vLLM to its readiness, the model's download included; at most "60m". @default "60m" */
  maxTimeToReady?: string;
}

/**
 * A model of Hugging Face in a vLLM on the right GPU, done only when it answered a real prompt at a measured speed. It
 * listens on the server's loopback, and is reached through the tunnel or by services on the same server.
 *
 * What it costs: the server's rent per day, which bills while vLLM (4 to 5 GB) and the model are downloaded.
 * `CLORE_VLLM_INDEX` names a package index, or a folder of the host with wheels, to install vLLM from.
 * @example new VllmServer("chat", { model: "Qwen/Qwen2.5-7B-Instruct", rent: { maxPricePerDay: 6, lease: "8h" } })
 */
export class VllmServer extends pulumi.ComponentResource {
  /** As seen from the server: "http://127.0.0.1:8000/v1", which speaks OpenAI's API. */
  readonly endpoint: pulumi.Output<string>;
  /**
   * The shell command that brings that port here, to http://127.0.0.1:8000; `key` in it is a file that holds the server's
   * private key.
   */
  readonly tunnel: pulumi.Output<string>;
  /** Of one request, the way there and back included, as measured at the end of `up`. */
  readonly tokensPerSecond: pulumi.Output<number>;
  /** What it said to the first prompt. */
  readonly firstAnswer: pulumi.Output<string>;
  readonly server: Server;
  /** Opens the server; undefined when the server was handed in. */
  readonly sshKey: SshKey | undefined;

  constructor(name: string, args: VllmServerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("clore:index:VllmServer", name, {}, opts);
    const port = args.port ?? VLLM_PORT;
    const maxModelLen = args.maxModelLen ?? vllmContextTokens;
    // Before anything is registered: what is wrong must not rent.
    const lines = checked(() => commandLines(args, port, maxModelLen));

    if (args.server) {
      this.server = args.server;
    } else {
      const { model, gpu, minVramGb } = args;
      const room = checked(() => vllmRoom({ model, gpu, minVramGb, maxModelLen }, configuredCatalog()));
      if (gpu === undefined) void pulumi.log.info(`${model}: ${room.because}`, this);
      this.sshKey = new SshKey(`${name}-ssh`, {}, { parent: this });
      this.server = new Server(
        `${name}-server`,
        {
          minDiskGb: room.minDiskGb,
          loadGb: room.loadGb,
          ...args.rent,
          gpu: room.gpu,
          gpuCount: 1,
          minVramGb: room.minVramGb,
          ...(args.mode === "image"
            ? { image: args.rent?.image ?? VLLM_IMAGE, autosshEntrypoint: true }
            : {}),
          sshKey: this.sshKey,
        },
        { parent: this },
      );
    }
    const service = this.serve(name, args, port, lines);
    const answers = this.ask(name, args.model, port, service);

    this.endpoint = pulumi.output(answers.status).apply(() => `http://127.0.0.1:${port}/v1`);
    this.tunnel = pulumi.interpolate`ssh -N -L ${VLLM_PORT}:127.0.0.1:${port} -i key -p ${this.server.port} ${this.server.user}@${this.server.address}`;
    this.tokensPerSecond = answers.latencyMs.apply(tokensPerSecond);
    this.firstAnswer = answers.answer;
    this.registerOutputs({
      endpoint: this.endpoint,
      tunnel: this.tunnel,
      tokensPerSecond: this.tokensPerSecond,
      firstAnswer: this.firstAnswer,
    });
  }

  private serve(name: string, args: VllmServerArgs, port: number, lines: CommandLines): Service {
    return new Service(
      `${name}-vllm`,
      {
        server: this.server,
        name: "vllm",
        // Inside the order's own image vLLM is there already: it is found and supervised.
        mode: args.mode === "image" ? "native" : args.mode,
        process: { command: lines.native },
        container: {
          image: VLLM_IMAGE,
          command: lines.container,
          volumes: [{ source: "pulumi-clore-vllm", target: "/root/.cache" }],
          gpus: "all",
        },
        env: VLLM_ENV,
        secretEnv: args.hfToken === undefined ? {} : { HF_TOKEN: args.hfToken },
        ports: [port],
        health: {
          http: { port, path: "/health" },
          timeoutSeconds: lines.readySeconds,
        },
      },
      { parent: this },
    );
  }

  /** First that it is this model that is served, then a real prompt. */
  private ask(name: string, model: string, port: number, service: Service): HealthCheck {
    const serves = new HealthCheck(
      `${name}-serves`,
      {
        server: this.server,
        url: `http://127.0.0.1:${port}/v1/models`,
        expect: { contains: JSON.stringify(model) },
        triggers: [service.revision],
      },
      { parent: this, dependsOn: [service] },
    );
    return new HealthCheck(
      `${name}-answers`,
      {
        server: this.server,
        url: `http://127.0.0.1:${port}/v1/completions`,
        json: firstCompletion(model),
        expect: { jsonText: "choices[0].text" },
        timeoutSeconds: 180,
        triggers: [service.revision],
      },
      { parent: this, dependsOn: [serves] },
    );
  }
}

interface CommandLines {
  native: string[];
  container: string[];
  readySeconds: number;
}

function commandLines(args: VllmServerArgs, port: number, maxModelLen: number): CommandLines {
  const { model, gpuMemoryUtilization, maxTimeToReady = "60m" } = args;
  const hours = parseHours(maxTimeToReady);
  if (hours === undefined || hours > 1) {
    throw new CloreError("vllm.bad-duration", {
      message: `maxTimeToReady: "${maxTimeToReady}" is no duration of at most an hour`,
      hint: 'write "30m" or "1h"',
    });
  }
  const want = { model, port, maxModelLen, gpuMemoryUtilization };
  return {
    native: vllmCommand(want),
    container: vllmContainerArguments(want),
    readySeconds: Math.round(hours * 3600),
  };
}
