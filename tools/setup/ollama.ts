import { existsSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Log } from "../../src/core/log.ts";
import { download } from "./download.ts";
import { goBuild } from "./go.ts";
import { withSeconds } from "./progress.mjs";
import { ensureTool, type Installed, output, type Place, type Tool, which } from "./tool.ts";

/** The Ollama that the tests run, on the CPU. The newest that is known to build from its Go module. */
export const ollamaVersion = "0.17.4";

/**
 * Ollama for tests: from the PATH when it is that version, else from the cache, else the official archive (1.4 GB, of
 * which only the CPU's part is kept), else built from its Go module (once, about 4 minutes on 2 cores).
 * @throws CloreError `setup.no-ollama` with what was tried and where to get it
 * @example const { dir } = await ensureOllama({ log }); spawn(join(dir, "ollama"), ["serve"])
 */
export function ensureOllama(options: { log: Log; cache?: string }): Promise<Installed> {
  return ensureTool(ollama, options);
}

/** The folder of an `ollama` of exactly that version on `path`. */
export async function ollamaOnPath(path?: string): Promise<{ dir: string; version: string } | undefined> {
  const file = which("ollama", path);
  return file && (await versionOf(file)) === ollamaVersion
    ? { dir: dirname(file), version: ollamaVersion }
    : undefined;
}

const ollama: Tool = {
  name: "ollama",
  version: ollamaVersion,
  executables: ["ollama"],
  onPath: () => ollamaOnPath(),
  async verify(dir) {
    const seen = await versionOf(join(dir, "ollama"));
    if (seen !== ollamaVersion) throw new Error(`what was installed calls itself ${seen ?? "nothing"}`);
  },
  sources: [
    { how: "download", install: installArchive },
    { how: "go", install: buildWithGo },
  ],
  missing: {
    code: "setup.no-ollama",
    hint: `install Ollama ${ollamaVersion} (https://github.com/ollama/ollama/releases), or Go, a C++ compiler and python3 with pip, and run this again`,
  },
};

// A port where nothing listens, so that it is the program's own version and not a running server's.
async function versionOf(file: string): Promise<string | undefined> {
  const text = await output(file, ["--version"], { env: { OLLAMA_HOST: "127.0.0.1:1" } }).catch(() => "");
  return /version is (\S+)/.exec(text)?.[1];
}

async function installArchive({ bin, scratch }: Place, log: Log): Promise<void> {
  if (process.platform !== "linux")
    throw new Error(`no archive without an installer for ${process.platform}`);
  if (!which("zstd")) throw new Error("no zstd on the PATH to unpack it");
  const name = `ollama-linux-${process.arch === "arm64" ? "arm64" : "amd64"}.tar.zst`;
  const release = `https://github.com/ollama/ollama/releases/download/v${ollamaVersion}`;
  await download({
    url: `${release}/${name}`,
    file: join(scratch, name),
    sums: { url: `${release}/sha256sum.txt`, algorithm: "sha256" },
    log,
  });
  const gpuParts = ["cuda*", "rocm*", "vulkan*", "mlx*"].map((part) => `--exclude=*/ollama/${part}`);
  await output("tar", [
    "--use-compress-program=zstd",
    "-xf",
    join(scratch, name),
    "-C",
    join(bin, ".."),
    ...gpuParts,
  ]);
}

async function buildWithGo({ bin, scratch }: Place, log: Log): Promise<void> {
  for (const program of ["go", "g++"]) if (!which(program)) throw new Error(`no ${program} on the PATH`);
  await withSeconds(log, () => "getting the headers that Ollama's Go module lacks", getHeaders(scratch));
  log.info(`building Ollama ${ollamaVersion} from its Go module (once, about 4 minutes)`);
  await goBuild({
    folder: "ollama",
    ldflags: `-X github.com/ollama/ollama/version.Version=${ollamaVersion}`,
    out: join(bin, "ollama"),
    env: { CGO_ENABLED: "1", CGO_CPPFLAGS: `"-I${scratch}"` },
    log,
  });
}

/** Three header libraries lie under `vendor/` in Ollama's repository, and module archives leave such folders out. */
async function getHeaders(into: string): Promise<void> {
  await fromDebian(into, "nlohmann-json3-dev", "nlohmann/json.hpp");
  await fromDebian(into, "libstb-dev", "stb/stb_image.h");
  await miniaudio(into);
}

// Unpacked beside the build when it is not installed, which needs no root.
async function fromDebian(into: string, name: string, header: string): Promise<void> {
  const folder = dirname(header);
  if (existsSync(join("/usr/include", header)))
    return symlinkSync(join("/usr/include", folder), join(into, folder));
  try {
    await output("apt-get", ["download", name], { cwd: into });
    const file = readdirSync(into).find((each) => each.startsWith(`${name}_`));
    await output("dpkg-deb", ["-x", join(into, file!), join(into, name)]);
  } catch (error) {
    throw new Error(`no ${header}; install the package ${name}`, { cause: error });
  }
  symlinkSync(join(into, name, "usr/include", folder), join(into, folder));
}

async function miniaudio(into: string): Promise<void> {
  const requirement = join(into, "miniaudio.txt");
  const hash = "sha256:e88e97837d031f0fb6982394218b6487de02eaa382ad273b8fca37791a2b4b15";
  writeFileSync(requirement, `miniaudio==1.61 --hash=${hash}\n`);
  const options = ["--no-deps", "--no-binary", ":all:", "--dest", into, "--requirement", requirement];
  await output("python3", ["-m", "pip", "download", "--disable-pip-version-check", ...options]);
  await output("tar", ["-xzf", join(into, "miniaudio-1.61.tar.gz"), "-C", into]);
  symlinkSync(join(into, "miniaudio-1.61/miniaudio"), join(into, "miniaudio"));
}
