import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { describeError } from "../../core/errors.ts";
import { withoutSecrets } from "../redact.ts";
import { anyProto, providerProto, statusProto } from "./proto.ts";
import { marshal, type Properties } from "./values.ts";

/**
 * Thrown by a handler when a resource exists at least in part: the engine saves id, state and reasons, and the
 * next `up` calls Update. Anything else thrown by a create means to the engine: nothing was made.
 */
export class InitFailure extends Error {
  readonly id: string;
  readonly state: Properties;

  constructor(id: string, state: Properties, cause: unknown) {
    super(describeError(cause), { cause });
    this.id = id;
    this.state = state;
  }
}

/** The error as gRPC sends it, without the secrets among the inputs. An InitFailure carries what was made in its status details. */
export function toServiceError(
  error: unknown,
  inputs: Properties,
  secrets: ReadonlySet<string>,
): Partial<ServiceError> {
  if (!(error instanceof InitFailure)) {
    return { code: status.UNKNOWN, details: withoutSecrets(describeError(error), inputs) };
  }
  const reason = withoutSecrets(error.message, inputs);
  const detail = new providerProto.ErrorResourceInitFailed();
  detail.setId(error.id);
  detail.setProperties(marshal(error.state, secrets));
  detail.setInputs(marshal(inputs, secrets));
  detail.setReasonsList([reason]);
  const any = new anyProto.Any();
  any.pack(detail.serializeBinary(), "pulumirpc.ErrorResourceInitFailed");
  const message = new statusProto.Status();
  message.setCode(status.UNKNOWN);
  message.setMessage(reason);
  message.addDetails(any);
  const metadata = new Metadata();
  metadata.set("grpc-status-details-bin", Buffer.from(message.serializeBinary()));
  return { code: status.UNKNOWN, details: reason, metadata };
}
