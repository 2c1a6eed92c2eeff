import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CloreError } from "../../core/errors.ts";
import { cacheDirectory } from "../../core/state-directory.ts";
import { localOllama, OLLAMA_VERSION } from "../../host/ollama/install.ts";

/**
 * A folder to build the Ollama machine in: the templates, and this machine's own Ollama below `ollama/`. The image of the
 * Docker Hub is not taken: it is gigabytes of parts for GPUs, and sshd would have to be put into it all the same.
 * @throws CloreError `emulator.no-ollama` when there is no Ollama of the pinned version here
 */
export async function ollamaContext(templates: string): Promise<{ folder: string } & AsyncDisposable> {
  const arch = process.arch === "arm64" ? "aarch64" : "x86_64";
  const home = await localOllama(cacheDirectory(process.env), { arch });
  if (home === undefined) {
    throw new CloreError("emulator.no-ollama", {
      message: `behind an order with the image ollama/ollama stands the Ollama of this machine, and there is none of version ${OLLAMA_VERSION}`,
      seen: "looked on the PATH and in the cache",
      hint: `install Ollama ${OLLAMA_VERSION}, or run \`npm test\` or \`npm start -- gemma-4b\` once: they set it up`,
      retry: "no",
    });
  }
  const folder = await mkdtemp(join(tmpdir(), "clore-ollama-image-"));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    await cp(templates, folder, { recursive: true });
    await cp(join(home, "bin/ollama"), join(folder, "ollama/bin/ollama"));
    await cp(join(home, "lib/ollama"), join(folder, "ollama/lib/ollama"), {
      recursive: true,
      filter: (path) => !/\/(cuda|rocm|vulkan|mlx)[^/]*$/.test(path),
    }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error; // one that was built has all in the program
    });
  } catch (error) {
    await remove();
    throw error;
  }
  return { folder, [Symbol.asyncDispose]: remove };
}
