import { CloreError, printable } from "../../core/errors.ts";
import { diskFull, isDiskFull } from "../failure.ts";

/** HTTP status of the Docker Engine's answer, if there was one. */
export function statusOf(error: unknown): number | undefined {
  const status = (error as { statusCode?: unknown }).statusCode;
  return typeof status === "number" ? status : undefined;
}

/** Docker's words as one of our errors. `code` is used where the words do not say something more exact. */
export function dockerError(
  what: string,
  error: unknown,
  code = "host.docker-failed",
  lines: readonly string[] = [],
): CloreError {
  if (error instanceof CloreError) return error;
  const words = error instanceof Error ? error.message : String(error);
  const seen = printable([...lines, words].slice(-20).join("\n")).slice(0, 4000);
  if (isDiskFull(words)) return diskFull(what, words, error);
  if (/port is already allocated|address already in use/i.test(words)) {
    return new CloreError("host.port-taken", {
      message: `${what}: its port is taken on the host`,
      seen,
      hint: "stop what holds it, or map another host port",
      cause: error,
    });
  }
  if (/could not select device driver/i.test(words)) {
    return new CloreError("host.docker-no-gpus", {
      message: `${what}: the host's Docker cannot give GPUs to containers`,
      seen,
      hint: "install NVIDIA's container toolkit there (nvidia-ctk runtime configure --runtime=docker), or use mode native",
      cause: error,
    });
  }
  const retry = code === "host.image-not-found" || code === "host.image-build-failed" ? "no" : "later";
  return new CloreError(code, { message: `${what} failed`, seen, retry, cause: error });
}
