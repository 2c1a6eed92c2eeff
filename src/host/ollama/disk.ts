import type { SshConnection } from "../../ssh/types.ts";

/** Below the login user's home: what Ollama runs with where we started it, and where it would keep models of its own. */
export const OLLAMA_FOLDER = ".pulumi-clore/ollama";

/** Free space where models go, and what interrupted pulls left there. */
export async function readDisk(
  ssh: SshConnection,
  signal?: AbortSignal,
): Promise<{ freeBytes: number | undefined; partialBytes: number }> {
  const command = [
    `cd "$HOME/${OLLAMA_FOLDER}" 2>/dev/null || cd "$HOME" || exit 0`,
    "df -Pk . | tail -n 1",
    `for dir in "$HOME/${OLLAMA_FOLDER}/models" "$HOME/.ollama/models"; do`,
    '  du -sk "$dir"/blobs/*-partial 2>/dev/null',
    "done",
  ].join("\n");
  const { stdout } = await ssh.exec(command, { timeoutMs: 20_000, signal });
  return parseDisk(stdout);
}

/** Pure. What makes no sense is unknown. */
export function parseDisk(text: string): { freeBytes: number | undefined; partialBytes: number } {
  const [first = "", ...rest] = text.split("\n");
  const free = /\s\d+\s+\d+\s+(\d+)\s+\d+%/.exec(first)?.[1];
  const partialKb = rest.reduce((sum, line) => sum + Number(/^(\d{1,12})\s/.exec(line)?.[1] ?? 0), 0);
  return {
    freeBytes: free === undefined ? undefined : Number(free) * 1024,
    partialBytes: partialKb * 1024,
  };
}
