import * as pulumi from "@pulumi/pulumi";
import type { Connection, Server } from "./server.ts";
import { onServer } from "./service.ts";

export interface HealthCheckArgs {
  /** Ask from inside this server, over SSH: for ports that are not public. Then `url` is seen from there. */
  server?: Server | { connection: pulumi.Input<Connection> };
  /** http(s) address. With `server`, only the loopback of that server: "http://127.0.0.1:8080/chat". */
  url: pulumi.Input<string>;
  /** @default "GET", or "POST" with a body */
  method?: pulumi.Input<"GET" | "POST">;
  headers?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  /** Headers that are secret, such as Authorization. */
  secretHeaders?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  /** Sent as JSON. */
  json?: pulumi.Input<unknown>;
  /** What the answer must be. */
  expect?: pulumi.Input<{
    /** @default any 2xx */
    status?: pulumi.Input<number>;
    /** A non-empty string at this path of the JSON answer: "response", "data[0].id". */
    jsonText?: pulumi.Input<string>;
    /** Text that the body holds. */
    contains?: pulumi.Input<string>;
    /** The slowest answer that counts, in milliseconds. */
    withinMs?: pulumi.Input<number>;
  }>;
  /** The most to wait for a right answer, in seconds; asked again with growing pauses. @default 60 */
  timeoutSeconds?: pulumi.Input<number>;
  /** Any values: when one changes, the question is asked again. */
  triggers?: pulumi.Input<pulumi.Input<unknown>[]>;
}

/**
 * A real request with a real answer, as a resource: `up` is done only when it was answered as expected, and
 * `refresh` asks again.
 *
 * What it costs: nothing here; the endpoint may charge for the request.
 * @example new HealthCheck("answers", { url: pulumi.interpolate`${url}/chat`, json: { message: "hi" }, expect: { jsonText: "response" } })
 */
export class HealthCheck extends pulumi.CustomResource {
  /** HTTP status of the last answer. */
  declare readonly status: pulumi.Output<number>;
  /** Milliseconds from request to whole answer. */
  declare readonly latencyMs: pulumi.Output<number>;
  /** The answer's text at `jsonText`, or the first 500 characters of the body. */
  declare readonly answer: pulumi.Output<string>;
  /** ISO time of the last right answer. */
  declare readonly checkedAt: pulumi.Output<string>;

  constructor(name: string, args: HealthCheckArgs, opts?: pulumi.CustomResourceOptions) {
    const { server, secretHeaders, ...rest } = args;
    const props: pulumi.Inputs = {
      ...rest,
      secretHeaders: secretHeaders === undefined ? undefined : pulumi.secret(secretHeaders),
      connection: server === undefined ? undefined : pulumi.secret(server.connection),
      status: undefined,
      latencyMs: undefined,
      answer: undefined,
      checkedAt: undefined,
    };
    super("clore:index:HealthCheck", name, props, onServer(server, opts));
  }
}
