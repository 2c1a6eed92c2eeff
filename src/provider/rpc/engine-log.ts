import { credentials } from "@grpc/grpc-js";
import { printable } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { engineProto, engineRpc } from "./proto.ts";

/** Sends log lines to the engine, which shows them on the row of their resource. */
export class EngineLog {
  readonly #client: InstanceType<typeof engineRpc.EngineClient>;
  /** Calls that run side by side overtake each other, and the row would end on an older line. */
  #last: Promise<void> = Promise.resolve();

  constructor(address: string) {
    this.#client = new engineRpc.EngineClient(address, credentials.createInsecure());
  }

  /** A log for one resource. Losing a line is no error: the engine may be gone. */
  for(urn: string): Log {
    const { DEBUG, INFO, WARNING } = engineProto.LogSeverity;
    return {
      status: (message) => this.#send(urn, INFO, message, true),
      debug: (message) => this.#send(urn, DEBUG, message, false),
      info: (message) => this.#send(urn, INFO, message, false),
      warn: (message) => this.#send(urn, WARNING, message, false),
    };
  }

  #send(urn: string, severity: 0 | 1 | 2 | 3, message: string, ephemeral: boolean): void {
    const request = new engineProto.LogRequest();
    request.setUrn(urn);
    request.setSeverity(severity);
    request.setMessage(printable(message));
    request.setEphemeral(ephemeral);
    this.#last = this.#last.then(() => new Promise((resolve) => this.#client.log(request, () => resolve())));
  }

  /** Resolves when the engine has all lines so far: an error must not overtake what led to it. */
  flushed(): Promise<void> {
    return this.#last;
  }

  close(): void {
    this.#client.close();
  }
}
