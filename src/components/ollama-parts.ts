import * as pulumi from "@pulumi/pulumi";
import { CloreError } from "../core/errors.ts";
import { OLLAMA_VERSION } from "../host/ollama/install.ts";
import type { ServerTrial } from "../resources/server.ts";
import type { OllamaServerArgs } from "./ollama-server.ts";

/** What an OllamaServer gives to the resources it is made of. */

const image = `ollama/ollama:${OLLAMA_VERSION}`;

/**
 * Whether the platform runs an image's own entry point beside the sshd that it adds is not known. Where it does, a second
 * Ollama finds the port taken and ends at once; where it does not, or when that one has died, this one serves.
 */
const serveForever = "sh -c 'while :; do ollama serve; sleep 5; done'";

/** The order whose own image is Ollama. On loopback: the image's own setting is every address of the container. */
export function orderOf(args: OllamaServerArgs, port: number) {
  return {
    image: args.rent?.image ?? image,
    autosshEntrypoint: true,
    command: serveForever,
    env: pulumi
      .output(args.rent?.env)
      .apply((own) => ({ ...settingsOf(args), ...own, OLLAMA_HOST: `127.0.0.1:${port}` })),
  };
}

/** Ollama itself; as a container it is published on the host's loopback only, and a process always gets loopback. */
export function serviceOf(args: OllamaServerArgs, port: number) {
  const { mode = "auto" } = args;
  return {
    name: "ollama",
    mode: mode === "image" ? undefined : mode,
    process: { command: ["ollama", "serve"] },
    container: {
      image,
      volumes: [{ source: "pulumi-clore-ollama", target: "/root/.ollama" }],
      gpus: "if-any" as const,
    },
    env: { OLLAMA_HOST: `0.0.0.0:${port}`, ...settingsOf(args) },
    ports: [port],
    health: { http: { port, path: "/api/version" }, timeoutSeconds: 60 },
  };
}

export function modelOf(tag: string, args: OllamaServerArgs, port: number) {
  const { contextLength, parallel, registry, minVramShare, minTokensPerSecond, maxTimeToReady } = args;
  return { tag, port, contextLength, parallel, registry, minVramShare, minTokensPerSecond, maxTimeToReady };
}

/** All that will be asked of the server anyway, asked while another can still be taken. */
export function trialOf(tags: readonly string[], args: OllamaServerArgs, port: number): ServerTrial {
  return {
    services: args.mode === "image" ? [] : [serviceOf(args, port)],
    models: tags.map((tag) => modelOf(tag, args, port)),
  };
}

/** The same whichever way it runs. */
function settingsOf({ parallel, contextLength }: OllamaServerArgs) {
  return {
    OLLAMA_NOPRUNE: "1",
    OLLAMA_KEEP_ALIVE: "-1",
    OLLAMA_NUM_PARALLEL: String(parallel ?? 1),
    ...(contextLength === undefined ? {} : { OLLAMA_CONTEXT_LENGTH: String(contextLength) }),
  };
}

/** What cannot be meant, before anything is rented. @throws CloreError `input.invalid` */
export function refuseContradictions(
  { server, mode, onSlow }: OllamaServerArgs,
  port: number,
  publicPort: number | false,
): void {
  if (server && onSlow === "replace") {
    throw new CloreError("input.invalid", {
      message: 'onSlow: "replace" means nothing on a server that was handed in',
      hint: "leave onSlow out, or let the component rent the server",
    });
  }
  if (server && mode === "image") {
    throw new CloreError("input.invalid", {
      message:
        'mode: "image" means nothing on a server that was handed in: an image is chosen with the order',
      hint: "let the component rent the server, or take mode native, docker or auto",
    });
  }
  if (port === publicPort) {
    throw new CloreError("input.invalid", {
      message: `port and publicPort are both ${port}: Ollama's own port is never public`,
      hint: "give the public door another port",
    });
  }
}
