import * as pulumi from "@pulumi/pulumi";
import type { Connection, Server } from "./server.ts";
import { onServer } from "./service.ts";

export interface ModelArgs {
  /** Where it is served. The model goes with the server: destroying that is enough. Replaces. */
  server: Server | { connection: pulumi.Input<Connection> };
  /**
   * As the registry names it. A size that does not exist is refused at preview with the nearest that do. Replaces.
   * @throws input.invalid   @example "gemma3:4b"
   */
  tag: pulumi.Input<string>;
  /** Port of Ollama on the server's loopback. @default 11434 */
  port?: pulumi.Input<number>;
  /** `sha256:…` as `ollama list` shows it in short: only this model will do. @default whatever the tag stands for */
  digest?: pulumi.Input<string>;
  /**
   * Where it is pulled from: `https://host`, or `http://host:port` for a registry of your own. The server knows it by
   * its tag all the same.
   * @default the official registry
   */
  registry?: pulumi.Input<string>;
  /** Tokens of context that it is loaded and measured with. @default the server's own */
  contextLength?: pulumi.Input<number>;
  /** Requests answered at the same time, as the server is set up: counts for the VRAM that it needs. @default 1 */
  parallel?: pulumi.Input<number>;
  /**
   * How much of it must lie in VRAM, 0 to 1. What spills to the CPU makes it many times slower.
   * @default 1 where the server has a GPU; not checked elsewhere
   */
  minVramShare?: pulumi.Input<number>;
  /**
   * Slower is an error: tokens per second of one request, measured over at least 64 tokens.
   * @default half of what the catalog expects of the server's GPU; not checked without a GPU or a figure
   */
  minTokensPerSecond?: pulumi.Input<number>;
  /** From the start to the first answer: "45m", "2h". A line too slow for it is an error early on. @default "60m" */
  maxTimeToReady?: pulumi.Input<string>;
  /** Any values: when one changes, the model is looked at and asked again. */
  triggers?: pulumi.Input<pulumi.Input<unknown>[]>;
}

/**
 * A model in an Ollama on a server: pulled with its progress on the resource's row, loaded, and asked; `up` is done only
 * when it answered fast enough from where it should lie. `refresh` sees a model that was deleted or changed and a
 * server that stands still; the next `up` mends just that.
 *
 * What it costs: nothing beyond its server, which bills while it loads.
 * @example new Model("gemma", { server, tag: "gemma3:4b" }, { dependsOn: [ollama] })
 */
export class Model extends pulumi.CustomResource {
  /** The tag, with `:latest` where none was written. */
  declare readonly model: pulumi.Output<string>;
  /** `sha256:…` of what is there. */
  declare readonly digest: pulumi.Output<string>;
  declare readonly sizeBytes: pulumi.Output<number>;
  /** How much of it lies in VRAM, 0 to 1. */
  declare readonly vramShare: pulumi.Output<number>;
  /** Of one request, as measured when it was last looked at. */
  declare readonly tokensPerSecond: pulumi.Output<number>;
  /** What it said to the first question. */
  declare readonly firstAnswer: pulumi.Output<string>;
  /** `ready` when last seen; `changed`, `not-answering` or `unknown` otherwise. */
  declare readonly status: pulumi.Output<string>;

  constructor(name: string, args: ModelArgs, opts?: pulumi.CustomResourceOptions) {
    const { server, ...rest } = args;
    const props: pulumi.Inputs = {
      ...rest,
      connection: pulumi.secret(server.connection),
      model: undefined,
      sizeBytes: undefined,
      vramShare: undefined,
      tokensPerSecond: undefined,
      firstAnswer: undefined,
      status: undefined,
    };
    props.digest ??= undefined;
    super("clore:index:Model", name, props, onServer(server, opts));
  }
}
