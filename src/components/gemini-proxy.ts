import { fileURLToPath } from "node:url";
import * as pulumi from "@pulumi/pulumi";
import { ApiKey } from "../resources/api-key.ts";
import { HealthCheck } from "../resources/health-check.ts";
import { type RentedServerArgs, Server } from "../resources/server.ts";
import { Service } from "../resources/service.ts";
import { SshKey } from "../resources/ssh-key.ts";

/** What is deployed: one bundled file, made by tools/bundle.ts and shipped with the package. */
const bundle = fileURLToPath(new URL("../../dist/proxy.mjs", import.meta.url));
const dockerfileFolder = fileURLToPath(new URL("../../templates/proxy", import.meta.url));

export interface GeminiProxyArgs {
  /** Whose API answers. @default "google" */
  upstream?: pulumi.Input<"google" | "cometapi">;
  /** The key for it (Google AI Studio or CometAPI). Kept as a secret; it reaches the server over SSH only. */
  upstreamKey: pulumi.Input<string>;
  /** Another address that speaks the same API. @default the upstream's own */
  upstreamUrl?: pulumi.Input<string>;
  /** @default "gemini-3.1-flash-lite" */
  model?: pulumi.Input<string>;
  /** Port on the server. @default 8080 */
  port?: number;
  /** host:port of image servers that need not be public addresses. @default none */
  imageHostsAllowed?: pulumi.Input<pulumi.Input<string>[]>;
  /** How it runs on the server. @default "auto" */
  mode?: pulumi.Input<"auto" | "native" | "docker">;
  /** Base image of the container, where it runs as one. @default the Dockerfile's */
  baseImage?: pulumi.Input<string>;
  /** What to rent; `ports` is set by the component. Either this or `server`. @default any cheap server */
  rent?: Omit<RentedServerArgs, "sshKey" | "ports">;
  /** An existing Server to run on. With it `publicUrl` says where the port is reached from outside. */
  server?: Server;
  /** @default the order's http address, or http://<address>:<port> on an existing host */
  publicUrl?: pulumi.Input<string>;
}

/**
 * The Gemini proxy (`POST /chat`, `POST /vision`) on a cheap rented server, with a bearer key of its own, done only
 * when a real question was answered through its public address.
 *
 * What it costs: the server's rent per day (a few cents to a dollar for the cheapest), and the upstream's price per token.
 * @example const proxy = new GeminiProxy("gemini", { upstreamKey: config.requireSecret("googleApiKey") }); export const url = proxy.url
 */
export class GeminiProxy extends pulumi.ComponentResource {
  /** Public address, with scheme and without a slash at the end. */
  readonly url: pulumi.Output<string>;
  /** What callers send as `Authorization: Bearer …`. A secret. */
  readonly apiKey: pulumi.Output<string>;
  /** What the proxy answered to the question asked at the end of `up`. */
  readonly firstAnswer: pulumi.Output<string>;
  readonly server: Server;
  /** Opens the server; undefined when the server was handed in. */
  readonly sshKey: SshKey | undefined;

  constructor(name: string, args: GeminiProxyArgs, opts?: pulumi.ComponentResourceOptions) {
    super("clore:index:GeminiProxy", name, {}, opts);
    const port = args.port ?? 8080;

    if (args.server) {
      this.server = args.server;
    } else {
      this.sshKey = new SshKey(`${name}-ssh`, {}, { parent: this });
      this.server = new Server(
        `${name}-server`,
        { ...args.rent, sshKey: this.sshKey, ports: { [port]: "http" } },
        { parent: this },
      );
    }
    const apiKey = new ApiKey(`${name}-key`, {}, { parent: this });
    const service = this.deploy(name, args, port, apiKey);

    this.url = pulumi
      .all([args.publicUrl ?? this.server.httpUrl, this.server.address])
      .apply(([url, address]) => (url ?? `http://${address}:${port}`).replace(/\/$/, ""));
    this.apiKey = apiKey.key;
    const answers = new HealthCheck(
      `${name}-answers`,
      {
        url: pulumi.interpolate`${this.url}/chat`,
        secretHeaders: { authorization: pulumi.interpolate`Bearer ${apiKey.key}` },
        json: { message: "Say in one short sentence that you are ready.", max_tokens: 64 },
        expect: { jsonText: "response" },
        timeoutSeconds: 120,
        triggers: [service.revision],
      },
      { parent: this, dependsOn: [service], deletedWith: this.server },
    );
    this.firstAnswer = answers.answer;
    this.registerOutputs({ url: this.url, apiKey: this.apiKey, firstAnswer: this.firstAnswer });
  }

  private deploy(name: string, args: GeminiProxyArgs, port: number, apiKey: ApiKey): Service {
    const upstream = pulumi.output(args.upstream ?? "google");
    return new Service(
      `${name}-proxy`,
      {
        server: this.server,
        name: "gemini-proxy",
        mode: args.mode,
        process: { command: ["node", "--max-semi-space-size=2", "proxy.mjs"] },
        container: {
          publish: "everywhere",
          build: {
            context: dockerfileFolder,
            extraFiles: { "proxy.mjs": bundle },
            args: args.baseImage === undefined ? {} : { BASE: args.baseImage },
          },
        },
        files: [{ path: "proxy.mjs", source: bundle }],
        env: pulumi
          .all([upstream, args.upstreamUrl, args.model, args.imageHostsAllowed])
          .apply(([upstream, upstreamUrl, model, imageHosts]) => ({
            PORT: String(port),
            UPSTREAM: upstream,
            ...(upstreamUrl ? { UPSTREAM_BASE_URL: upstreamUrl } : {}),
            ...(model ? { MODEL: model } : {}),
            ...(imageHosts && imageHosts.length > 0 ? { IMAGE_HOSTS_ALLOWED: imageHosts.join(",") } : {}),
          })),
        secretEnv: pulumi.all([upstream, args.upstreamKey, apiKey.key]).apply(
          ([upstream, upstreamKey, key]): Record<string, string> => ({
            [upstream === "cometapi" ? "COMETAPI_KEY" : "GOOGLE_API_KEY"]: upstreamKey,
            PROXY_API_KEYS: key,
          }),
        ),
        ports: [port],
        health: { http: { port, path: "/readyz" }, timeoutSeconds: 90 },
      },
      { parent: this },
    );
  }
}
