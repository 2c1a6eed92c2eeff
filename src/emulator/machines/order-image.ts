import type { Variant } from "./image.ts";

/** Well-known images that start no sshd. With and without a registry, a tag and a digest. */
const withoutSshd = /^(?:docker\.io\/)?(?:ollama\/ollama|vllm\/vllm-openai)(?=[:@]|$)/;
const ollama = /^(?:docker\.io\/)?ollama\/ollama(?=[:@]|$)/;

/** Which kind of container plays an order's image: a real Ollama for its own, for every other the usual rental. */
export function variantFor(image: string): Variant {
  return ollama.test(image) ? "ollama" : "plain";
}

/**
 * Whether SSH comes up in an order. Observed: images whose PID 1 starts no sshd stayed at `mon_container: 0`, unless
 * the order had `autossh_entrypoint`. Of an image that is not known here it is believed that it starts one.
 */
export function bringsSsh(order: { image: string; autossh: boolean }): boolean {
  return order.autossh || !withoutSshd.test(order.image);
}
