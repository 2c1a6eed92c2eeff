import { apiKey } from "./api-key.ts";
import type { Handler } from "./handler.ts";
import { healthCheck } from "./health-check.ts";
import { model } from "./model.ts";
import { server } from "./server.ts";
import { service } from "./service.ts";
import { sshKey } from "./ssh-key.ts";

/** The one table from type token to handler. */
export const handlers: Readonly<Record<string, Handler>> = {
  "clore:index:SshKey": sshKey as unknown as Handler,
  "clore:index:ApiKey": apiKey as unknown as Handler,
  "clore:index:Server": server as unknown as Handler,
  "clore:index:Service": service as unknown as Handler,
  "clore:index:Model": model as unknown as Handler,
  "clore:index:HealthCheck": healthCheck as unknown as Handler,
};
