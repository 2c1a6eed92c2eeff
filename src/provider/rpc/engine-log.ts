import { credentials } from "@grpc/grpc-js";
import { printable } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { engineProto, engineRpc } from "./proto.ts";

/** So many lines may wait for the engine; past that status lines are left out, which the next one replaces anyway. */
const MOST_WAITING = 200;

/** Sends log lines to the engine, which shows them on the row of their resource. */
export class EngineLog {
  readonly #client: InstanceType<typeof engineRpc.EngineClient>;
  /** Calls that run side by side overtake each other, and the row would end on an older line. */
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;

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
    // A host decides how much progress there is to tell of a pull or a build.
    if (ephemeral && this.#waiting >= MOST_WAITING) return;
    this.#waiting++;
    const request = new engineProto.LogRequest();
    request.setUrn(urn);
    request.setSeverity(severity);
    request.setMessage(printable(message));
    request.setEphemeral(ephemeral);
    const sent = () => new Promise<void>((resolve) => this.#client.log(request, () => resolve()));
    this.#last = this.#last.then(sent).finally(() => this.#waiting--);
  }

  /** Resolves when the engine has all lines so far: an error must not overtake what led to it. */
  flushed(): Promise<void> {
    return this.#last;
  }

  close(): void {
    this.#client.close();
  }
}
