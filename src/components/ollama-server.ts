import { fileURLToPath } from "node:url";
import * as pulumi from "@pulumi/pulumi";
import { configuredCatalog } from "../catalog/load.ts";
import { OLLAMA_PORT } from "../host/ollama/client.ts";
import type { ModelRoom } from "../market/for-model.ts";
import { ApiKey } from "../resources/api-key.ts";
import { HealthCheck } from "../resources/health-check.ts";
import { Model } from "../resources/model.ts";
import { type RentedServerArgs, Server } from "../resources/server.ts";
import { Service } from "../resources/service.ts";
import { SshKey } from "../resources/ssh-key.ts";
import { checked } from "./checked.ts";
import { modelOf, orderOf, refuseContradictions, serviceOf, trialOf } from "./ollama-parts.ts";
import { roomFor } from "./ollama-request.ts";

const gate = fileURLToPath(new URL("../../templates/ollama/gate.mjs", import.meta.url));

export interface OllamaServerArgs {
  /**
   * The model's tag, or several that share the server. A tag that does not exist is refused at preview with the nearest
   * that do. @example "gemma3:4b"
   */
  model: string | readonly string[];
  /**
   * GPU class by its marketplace name. One that cannot hold the models is refused at preview, with the GB that are
   * missing and the classes that fit.
   * @default any class that holds them, laptop chips and mining cards aside: the offer that finishes cheapest is taken
   */
  gpu?: string;
  /** @default 1 */
  gpuCount?: number;
  /**
   * What else the server must be like; class, VRAM, ports and the order's command are set by the component. With mode
   * `image` an `image` of yours must have `ollama` on its PATH, and `env` goes with Ollama's own settings.
   */
  rent?: Omit<RentedServerArgs, "sshKey" | "ports" | "gpu" | "gpuCount" | "command" | "autosshEntrypoint">;
  /**
   * An existing Server to run on: nothing is rented. With it `publicUrl` says where the door is reached from outside.
   * Not with mode `image`.
   */
  server?: Server;
  /**
   * `native`: Ollama is installed and supervised. `docker`: the image ollama/ollama on a host with Docker. `image`: the
   * order's own image is ollama/ollama, and nothing is installed; `port`, `contextLength` and `parallel` are then part of
   * the order, and changing them replaces the server. `auto`: docker where it works, otherwise native.
   * @default "auto"
   */
  mode?: "auto" | "native" | "docker" | "image";
  /** Ollama's port on the server's loopback; it is never public. @default 11434 */
  port?: number;
  /**
   * Port of the public door, which asks for a key and lets through what asks models something (OpenAI's and Ollama's
   * API). `false`: none; reach Ollama by the tunnel. @default 8080
   */
  publicPort?: number | false;
  /** @default the order's http address, or http://<address>:<publicPort> on an existing host */
  publicUrl?: pulumi.Input<string>;
  /** Tokens of context per request. @default Ollama's own */
  contextLength?: number;
  /** Requests that a model answers at the same time. @default 1 */
  parallel?: number;
  /** See Model. */
  registry?: pulumi.Input<string>;
  /** See Model. */
  minVramShare?: pulumi.Input<number>;
  /** See Model. */
  minTokensPerSecond?: pulumi.Input<number>;
  /** See Model. */
  maxTimeToReady?: pulumi.Input<string>;
  /**
   * What is done with a rented server on which a model is slower than minTokensPerSecond, spills out of VRAM, or cannot
   * be downloaded within maxTimeToReady: `fail` is an error and keeps the server; `replace` gives it back and takes the
   * next offer, in the same `up`, within the limits of `rent` (acquireMinutes, maxAcquireCostUsd). @default "fail"
   */
  onSlow?: "fail" | "replace";
}

/**
 * Models of your own behind an endpoint: the right GPU for them is rented, Ollama installed, the models pulled, and all
 * is done only when each answered a real prompt at a measured speed.
 *
 * What it costs: the server's rent per day; `clore offers --model <tag> --for 8h` tells it. A host that has no internet is sent the Ollama of this machine, if there is
 * one; `CLORE_OLLAMA_MIRROR` names another place in the layout of Ollama's releases to download it from.
 * @example new OllamaServer("chat", { model: "gemma3:4b", rent: { maxPricePerDay: 3, lease: "8h" } })
 * @example new OllamaServer("big", { model: "gemma3:27b", gpu: "RTX 4090", rent: { market: "spot", lease: "8h" } })
 */
export class OllamaServer extends pulumi.ComponentResource {
  /** Public address of the door, without a slash at the end; `<url>/v1` speaks OpenAI's API. Undefined without one. */
  readonly url: pulumi.Output<string> | undefined;
  /** What callers send as `Authorization: Bearer …`. A secret. Undefined without a public door. */
  readonly apiKey: pulumi.Output<string> | undefined;
  /**
   * The shell command that brings Ollama's own port here, to http://127.0.0.1:11434; `key` in it is a file that holds the server's
   * private key.
   */
  readonly tunnel: pulumi.Output<string>;
  readonly models: readonly Model[];
  /** Of the slowest model, as measured. */
  readonly tokensPerSecond: pulumi.Output<number>;
  /** What the first model answered to the question asked at the end of `up`. */
  readonly firstAnswer: pulumi.Output<string>;
  readonly server: Server;
  /** Opens the server; undefined when the server was handed in. */
  readonly sshKey: SshKey | undefined;

  constructor(name: string, args: OllamaServerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("clore:index:OllamaServer", name, {}, opts);
    const tags = typeof args.model === "string" ? [args.model] : args.model;
    const port = args.port ?? OLLAMA_PORT;
    const publicPort = args.publicPort ?? 8080;

    checked(() => refuseContradictions(args, port, publicPort));
    if (args.server) {
      this.server = args.server;
    } else {
      const room = checked(() => roomOf(tags, args));
      if (args.gpu === undefined) void pulumi.log.info(`${tags.join(", ")}: ${room.because}`, this);
      this.sshKey = new SshKey(`${name}-ssh`, {}, { parent: this });
      this.server = new Server(
        `${name}-server`,
        {
          minDiskGb: room.minDiskGb,
          loadGb: room.loadGb,
          ...args.rent,
          gpu: room.gpu,
          gpuCount: args.gpuCount,
          minVramGb: pulumi
            .output(args.rent?.minVramGb)
            .apply((asked) => Math.max(asked ?? 0, room.minVramGb)),
          ...(args.mode === "image" ? orderOf(args, port) : {}),
          ...(args.onSlow === "replace" ? { trial: trialOf(tags, args, port) } : {}),
          sshKey: this.sshKey,
          ports: publicPort === false ? {} : { [publicPort]: "http" },
        },
        { parent: this },
      );
    }
    const service =
      args.mode === "image"
        ? undefined
        : new Service(`${name}-ollama`, { server: this.server, ...serviceOf(args, port) }, { parent: this });
    this.models = tags.map((tag) => this.pull(name, args, port, tag, service));
    this.tunnel = pulumi.interpolate`ssh -N -L ${OLLAMA_PORT}:127.0.0.1:${port} -i key -p ${this.server.port} ${this.server.user}@${this.server.address}`;
    this.tokensPerSecond = pulumi
      .all(this.models.map((model) => model.tokensPerSecond))
      .apply((speeds) => Math.min(...speeds));
    this.firstAnswer = this.models[0]!.firstAnswer;
    if (publicPort !== false) {
      const door = this.open(name, args, port, publicPort);
      this.url = door.url;
      this.apiKey = door.apiKey;
    }
    this.registerOutputs({
      url: this.url,
      apiKey: this.apiKey,
      tunnel: this.tunnel,
      tokensPerSecond: this.tokensPerSecond,
      firstAnswer: this.firstAnswer,
    });
  }

  private pull(
    name: string,
    args: OllamaServerArgs,
    port: number,
    tag: string,
    service: Service | undefined,
  ): Model {
    return new Model(
      `${name}-${tag.replace(/[^a-z0-9.]+/gi, "-")}`,
      {
        server: this.server,
        ...modelOf(tag, args, port),
        triggers: service ? [service.revision] : [],
      },
      { parent: this, dependsOn: service ? [service] : [this.server] },
    );
  }

  /** The public door, and the proof that it answers from outside. */
  private open(name: string, args: OllamaServerArgs, port: number, publicPort: number) {
    const key = new ApiKey(`${name}-key`, {}, { parent: this });
    const service = new Service(
      `${name}-gate`,
      {
        server: this.server,
        name: "ollama-gate",
        mode: "native",
        process: { command: ["node", "gate.mjs"] },
        files: [{ path: "gate.mjs", source: gate }],
        env: { PORT: String(publicPort), OLLAMA_PORT: String(port) },
        secretEnv: { GATE_KEYS: key.key },
        ports: [publicPort],
        health: { http: { port: publicPort, path: "/healthz" }, timeoutSeconds: 60 },
      },
      { parent: this },
    );
    const url = pulumi
      .all([args.publicUrl ?? this.server.httpUrl, this.server.address])
      .apply(([given, address]) => (given ?? `http://${address}:${publicPort}`).replace(/\/$/, ""));
    const [first] = this.models;
    const answers = new HealthCheck(
      `${name}-answers`,
      {
        url: pulumi.interpolate`${url}/v1/chat/completions`,
        secretHeaders: { authorization: pulumi.interpolate`Bearer ${key.key}` },
        json: {
          model: first!.model,
          messages: [{ role: "user", content: "Say in one short sentence that you are ready." }],
          max_tokens: 64,
        },
        expect: { jsonText: "choices[0].message.content" },
        timeoutSeconds: 180,
        triggers: [service.revision, first!.digest],
      },
      { parent: this, dependsOn: [service, ...this.models], deletedWith: this.server },
    );
    return { url: pulumi.all([url, answers.status]).apply(([text]) => text), apiKey: key.key };
  }
}

function roomOf(tags: readonly string[], args: OllamaServerArgs): ModelRoom {
  const { gpu, gpuCount, contextLength, parallel } = args;
  return roomFor({ tags, gpu, gpuCount, contextTokens: contextLength, parallel }, configuredCatalog());
}
