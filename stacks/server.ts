import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { resolve } from "node:path";
import { z } from "zod";
import type { InputProblem } from "../src/core/errors.ts";
import { parseHours } from "../src/cost/duration.ts";
import { Server, type SshKey } from "../src/index.ts";
import { isCountry, suggestCountry } from "../src/market/countries.ts";

const country = z.string().refine(isCountry, {
  error: ({ input }) =>
    `"${input}" is no ISO 3166 country code; did you mean ${suggestCountry(String(input))}?`,
});

/** "90m", "8h"; a lease may be "none". */
export function duration({ orNone = false } = {}) {
  const error = `should be a duration such as "90m", "8h" or "3d"${orNone ? ', or "none"' : ""}`;
  return z
    .string({ error })
    .refine((text) => (orNone && text === "none") || parseHours(text) !== undefined, { error });
}

/** Config keys of every stack: what to rent, or the existing host to run on instead. */
export const serverConfig = {
  maxPricePerDay: z
    .number({ error: "should be a number: USD per day" })
    .positive({ error: "should be more than 0: USD per day" }),
  countries: z.array(country, { error: 'should be a JSON list: ["DE","NL"]' }).optional(),
  minDownMbps: z.number().positive().optional(),
  lease: duration({ orNone: true }).optional(),
  image: z.string().optional(),
  bootMinutes: z.number().positive().optional(),
  acquireMinutes: z.number().positive().optional(),
  /** user@address:port */
  host: z
    .string()
    .regex(/^[^@\s]+@[^:@\s]+(:\d+)?$/, { error: "should be user@address or user@address:port" })
    .optional(),
  /** `~/` is the home folder of who runs `pulumi`. */
  hostPrivateKeyFile: z
    .string()
    .regex(/^[^\n]+$/, { error: "is no path of a file: it names the file that holds the key" })
    .optional(),
};

/** An existing host is opened by a key that can be read here. */
export function serverRules({
  host,
  hostPrivateKeyFile: file,
}: Readonly<Record<string, unknown>>): InputProblem[] {
  if (host === undefined) return [];
  const path = "hostPrivateKeyFile";
  if (file === undefined)
    return [
      { path, problem: "should be the file of an ed25519 private key that opens the host, is not set" },
    ];
  if (typeof file !== "string" || file.includes("\n")) return [];
  try {
    readFileSync(keyPath(file));
    return [];
  } catch (error) {
    return [
      { path, problem: `${keyPath(file)} cannot be read here: ${(error as NodeJS.ErrnoException).code}` },
    ];
  }
}

/** What a component is told of its server: the limits of renting, and `more` of them, or the existing host. */
export function rentOrHost<More extends object>(
  config: z.infer<z.ZodObject<typeof serverConfig>>,
  more: More,
) {
  const { host, hostPrivateKeyFile = "", maxPricePerDay, countries, minDownMbps } = config;
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
    // At the rates of the listing, and so with more digits than it is good for.
    pricePerDay: server.pricePerDayUsd.apply((usd) => usd && Math.round(usd * 1e4) / 1e4),
    sshPrivateKey: sshKey?.privateKey,
    ssh: server.sshCommand(),
  };
}

function existingServer(host: string, keyFile: string): Server {
  const [user = "", rest = ""] = host.split("@");
  const [address = "", port = "22"] = rest.split(":");
  return new Server("host", {
    address,
    port: Number(port),
    user,
    sshKey: { privateKey: readFileSync(keyPath(keyFile), "utf8") },
  });
}

const keyPath = (file: string) => resolve(file.replace(/^~(?=\/)/, homedir()));
