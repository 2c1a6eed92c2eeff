import * as pulumi from "@pulumi/pulumi";

export interface ApiKeyArgs {
  /**
   * What the key begins with, so that it is recognised when found somewhere: letters, digits, `-` and `_`, at most 16.
   * Replaces the key.
   * @default "sk-clore-"
   */
  prefix?: pulumi.Input<string>;
}

/**
 * A random bearer key (256 bits) for an endpoint, made by the plugin and kept in the state as a secret.
 *
 * What it costs: nothing.
 * @example const apiKey = new ApiKey("proxy-key"); export const key = apiKey.key
 */
export class ApiKey extends pulumi.CustomResource {
  /** The key. A secret. */
  declare readonly key: pulumi.Output<string>;

  constructor(name: string, args: ApiKeyArgs = {}, opts?: pulumi.CustomResourceOptions) {
    super("clore:index:ApiKey", name, { prefix: args.prefix, key: undefined }, opts);
  }
}
