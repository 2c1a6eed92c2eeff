import * as pulumi from "@pulumi/pulumi";

export interface SshKeyArgs {
  /**
   * A word or two kept in the public key, so that people recognise it in `authorized_keys`. Replaces the key.
   * @default "pulumi-clore"
   */
  comment?: pulumi.Input<string>;
}

/**
 * An ed25519 key pair, made by the plugin and kept in the state as a secret. Servers are rented with it, and
 * whoever holds the private half can prove that an order is theirs: so it is made before every server and deleted
 * after, and its deletion gives back what a crashed run may have left.
 *
 * What it costs: nothing.
 * @example const key = new SshKey("key"); new Server("server", { sshKey: key })
 */
export class SshKey extends pulumi.CustomResource {
  /** `ssh-ed25519 AAAA… comment`. */
  declare readonly publicKey: pulumi.Output<string>;
  /** OpenSSH text. A secret. */
  declare readonly privateKey: pulumi.Output<string>;
  /** `SHA256:…`, as ssh-keygen prints it. */
  declare readonly fingerprint: pulumi.Output<string>;

  constructor(name: string, args: SshKeyArgs = {}, opts?: pulumi.CustomResourceOptions) {
    const props = {
      comment: args.comment,
      publicKey: undefined,
      privateKey: undefined,
      fingerprint: undefined,
    };
    super("clore:index:SshKey", name, props, opts);
  }
}
