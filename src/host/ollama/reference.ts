import { CloreError } from "../../core/errors.ts";

/** Where models come from unless a registry is named. */
export const OFFICIAL_REGISTRY = "https://registry.ollama.ai";

/** A tag, and where its model is to be had. */
export interface ModelReference {
  /** As users write it and as the server knows the model: `gemma3:4b`. */
  tag: string;
  /** Scheme and host, no slash at the end. */
  registry: string;
  /** `library/gemma3` */
  repository: string;
  /** `4b` */
  version: string;
  /** What Ollama is told to pull: the tag, or with another registry `host:port/library/gemma3:4b`. */
  pullName: string;
  /** The registry speaks plain HTTP. */
  insecure: boolean;
}

/**
 * Takes a tag apart.
 * @param registry `https://host` or `http://host:port`; plain HTTP is for registries of one's own
 * @throws CloreError `model.bad-tag`
 * @example modelReference("gemma3:4b").repository // "library/gemma3"
 */
export function modelReference(tag: string, registry: string = OFFICIAL_REGISTRY): ModelReference {
  const match = /^(?:([\w-]{1,80})\/)?([\w.-]{1,80})(?::([\w.-]{1,80}))?$/.exec(tag.trim());
  if (!match) {
    throw new CloreError("model.bad-tag", {
      message: `"${tag}" is no model tag`,
      hint: 'write it as the registry does: "gemma3:4b", "somebody/model:7b"; another registry goes into `registry`',
    });
  }
  const [, namespace = "library", name, version = "latest"] = match;
  const plain = `${namespace === "library" ? "" : `${namespace}/`}${name}:${version}`;
  const base = registry.replace(/\/+$/, "");
  const repository = `${namespace}/${name}`;
  return {
    tag: plain,
    registry: base,
    repository,
    version,
    pullName: base === OFFICIAL_REGISTRY ? plain : `${new URL(base).host}/${repository}:${version}`,
    insecure: base.startsWith("http://"),
  };
}
