import { readFileSync } from "node:fs";
import { printable } from "../../core/errors.ts";
import { quote } from "../../ssh/quote.ts";
import type { SshConnection } from "../../ssh/types.ts";
import { hostFailure } from "../failure.ts";
import { VLLM_VERSION } from "./serve.ts";

/** A Python of the host. */
export interface PythonSeen {
  /** Absolute. */
  path: string;
  /** Of Python 3: 11 for 3.11. */
  minor: number;
  /** It can make virtual environments with pip in them. */
  canVenv: boolean;
  /** Its C headers are there: kernels are compiled against them when a model is loaded. */
  hasHeaders: boolean;
}

/** What is seen of vLLM on a host, and of what it needs. */
export interface VllmSeen {
  /** A vLLM of the pinned version: put there before, or part of the host's image. */
  program: string | undefined;
  pythons: readonly PythonSeen[];
  hasCompiler: boolean;
  /** CUDA compute capability of each GPU, where the driver tells it. */
  computeCapabilities: readonly number[];
}

/** One look, in one round trip. @throws CloreError `host.script-failed` */
export async function lookForVllm(ssh: SshConnection, signal?: AbortSignal): Promise<VllmSeen> {
  const result = await ssh.exec(`sh -s -- ${quote([VLLM_VERSION])}`, {
    stdin: readFileSync(new URL("../../../templates/vllm/look.sh", import.meta.url), "utf8"),
    timeoutMs: 90_000,
    maxOutputBytes: 64 * 1024,
    signal,
  });
  if (result.exitCode !== 0) throw hostFailure("looking for vLLM", result);
  return parseVllmSeen(result.stdout);
}

/** Reads what `templates/vllm/look.sh` prints. Pure; rubbish is "not there". */
export function parseVllmSeen(text: string): VllmSeen {
  const lines = text.split("\n").map((line) => printable(line));
  const all = (key: string) =>
    lines.flatMap((line) => (line.startsWith(`${key}=`) ? [line.slice(key.length + 1)] : []));
  const pythons = all("python").flatMap((line) => {
    const match = /^(\/\S+) 3\.(\d{1,2}) (venv|-) (headers|-)$/.exec(line);
    if (!match) return [];
    const [, path, minor, venv, headers] = match;
    return [
      { path: path!, minor: Number(minor), canVenv: venv === "venv", hasHeaders: headers === "headers" },
    ];
  });
  return {
    program: all("program").find((path) => path.startsWith("/")),
    pythons,
    hasCompiler: all("compiler").length > 0,
    computeCapabilities: all("compute")
      .map(Number)
      .filter((value) => value > 0),
  };
}
