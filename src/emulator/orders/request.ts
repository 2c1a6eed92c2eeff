import { type Coin, coins } from "../market/rows.ts";
import { databaseError, invalid, type Reply } from "../reply.ts";

/** A create_order body that was understood. */
export interface CreateRequest {
  coin: Coin;
  image: string;
  serverId: number;
  kind: "on-demand" | "spot";
  spotPrice: number | undefined;
  tcpPorts: number[];
  httpPort: number | undefined;
  env: Record<string, string>;
  sshKey: string | undefined;
  sshPassword: string | undefined;
  command: string | undefined;
  /** `autossh_entrypoint`: sshd beside an image that starts none. */
  autossh: boolean;
  requiredPrice: number | undefined;
}

/** Reads a create_order body, or gives the answer to what is wrong with it. */
export function readCreate(body: Record<string, unknown>): CreateRequest | Reply {
  const {
    currency,
    image,
    renting_server,
    type,
    spotprice,
    ports,
    env,
    jupyter_token,
    ssh_password,
    ssh_key,
  } = body;
  const coin = coins.find((one) => one === currency);
  if (!coin) return invalid("currency"); // plain "USD" included
  if (typeof image !== "string" || image === "") return invalid("image");
  if (typeof renting_server !== "number" || !Number.isInteger(renting_server))
    return invalid("renting_server");
  if (type !== "on-demand" && type !== "spot") return invalid("type");
  if (type === "spot" && !isPrice(spotprice)) return invalid("spotprice");
  const tcpPorts: number[] = [];
  const httpPorts: number[] = [];
  for (const [port, protocol] of Object.entries(isRecord(ports) ? ports : { "22": "tcp" })) {
    const number = Number(port);
    if (!Number.isInteger(number) || number < 1 || number > 65535) return invalid("ports");
    if (protocol === "tcp") tcpPorts.push(number);
    else if (protocol === "http") httpPorts.push(number);
    else return invalid("ports");
  }
  if (httpPorts.length > 1) return invalid("ports");
  if (!isTextUpTo(jupyter_token, 32)) return invalid("jupyter_token");
  if (!isTextUpTo(ssh_password, 32)) return invalid("ssh_password");
  if (!isTextUpTo(ssh_key, 3072)) return invalid("ssh_key");
  if (!isTextUpTo(body.command, 65_536)) return invalid("command");
  if (body.required_price !== undefined && !isPrice(body.required_price)) return invalid("required_price");
  if (env !== undefined && !(isRecord(env) && Object.values(env).every((one) => typeof one === "string")))
    return invalid("env");
  const values = Object.values((env ?? {}) as Record<string, string>);
  // Observed: a value with & got HTTP 500 code 1. Non-ASCII is suspected of the same.
  if (values.some((value) => /[^\x20-\x7e\t\n\r]|&/.test(value))) return databaseError;
  return {
    coin,
    image,
    serverId: renting_server,
    kind: type,
    spotPrice: spotprice as number | undefined,
    tcpPorts,
    httpPort: httpPorts[0],
    env: (env ?? {}) as Record<string, string>,
    sshKey: text(ssh_key),
    sshPassword: text(ssh_password),
    command: text(body.command),
    autossh: body.autossh_entrypoint === true,
    requiredPrice: body.required_price as number | undefined,
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isPrice(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value > 0;
}

function isTextUpTo(value: unknown, length: number): boolean {
  return value === undefined || value === null || (typeof value === "string" && value.length <= length);
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
