import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { Server } from "../src/index.ts";

/** Config keys of stacks that can run on an existing host instead of a rented one. */
export const existingHost = {
  /** user@address:port */
  host: z
    .string()
    .regex(/^[^@\s]+@[^:@\s]+(:\d+)?$/, { error: "should be user@address or user@address:port" })
    .optional(),
  hostPrivateKeyFile: z.string().optional(),
};

/** The Server of the config values `host` and `hostPrivateKeyFile`. */
export function existingServer(host: string, keyFile: string | undefined): Server {
  if (keyFile === undefined) {
    throw new pulumi.RunError("with host, hostPrivateKeyFile must name the file of an ed25519 private key");
  }
  const [user = "", rest = ""] = host.split("@");
  const [address = "", port = "22"] = rest.split(":");
  return new Server("host", {
    address,
    port: Number(port),
    user,
    sshKey: { privateKey: readFileSync(keyFile, "utf8") },
  });
}
