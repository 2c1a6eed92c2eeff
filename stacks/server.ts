import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { Server, type SshKey } from "../src/index.ts";

/** Config keys of every stack: what to rent, or the existing host to run on instead. */
export const serverConfig = {
  maxPricePerDay: z
    .number({ error: "should be a number: USD per day" })
    .positive({ error: "should be more than 0: USD per day" }),
  countries: z.array(z.string(), { error: 'should be a JSON list: ["DE","NL"]' }).optional(),
  minDownMbps: z.number().positive().optional(),
  lease: z.string().optional(),
  image: z.string().optional(),
  bootMinutes: z.number().positive().optional(),
  acquireMinutes: z.number().positive().optional(),
  /** user@address:port */
  host: z
    .string()
    .regex(/^[^@\s]+@[^:@\s]+(:\d+)?$/, { error: "should be user@address or user@address:port" })
    .optional(),
  hostPrivateKeyFile: z.string().optional(),
};

/** What a component is told of its server: the limits of renting, and `more` of them, or the existing host. */
export function rentOrHost<More extends object>(
  config: z.infer<z.ZodObject<typeof serverConfig>>,
  more: More,
) {
  const { host, hostPrivateKeyFile, maxPricePerDay, countries, minDownMbps } = config;
  if (host !== undefined) return { server: existingServer(host, hostPrivateKeyFile) };
  const { lease, image, bootMinutes, acquireMinutes } = config;
  const rent = { maxPricePerDay, countries, minDownMbps, lease, image, bootMinutes, acquireMinutes };
  return { rent: { ...rent, ...more } };
}

/** Outputs of every stack: what is rented, what it costs, and the way in. */
export function serverOutputs({ server, sshKey }: { server: Server; sshKey: SshKey | undefined }) {
  return {
    orderId: server.orderId,
    serverId: server.serverId,
    pricePerDay: server.pricePerDayUsd,
    sshPrivateKey: sshKey?.privateKey,
    ssh: server.sshCommand(),
  };
}

function existingServer(host: string, keyFile: string | undefined): Server {
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
