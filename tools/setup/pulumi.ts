import { copyFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Log } from "../../src/core/log.ts";
import { download } from "./download.ts";
import { goBuild } from "./go.ts";
import { ensureTool, type Installed, isNewEnough, output, type Place, type Tool, which } from "./tool.ts";

/** The CLI that is installed, and the oldest that is taken from the PATH. The same as @pulumi/pulumi in package.json. */
export const pulumiVersion = "3.259.0";

const executables = ["pulumi", "pulumi-language-nodejs"];
// Otherwise the CLI asks the vendor for a newer version, which takes seconds where that is out of reach.
const quiet = { PULUMI_SKIP_UPDATE_CHECK: "1" };

/**
 * The Pulumi CLI and its Node language host: from the PATH when new enough, else from the cache, else the official
 * archive, else built from their Go modules (once, about 5 minutes on 2 cores). The second call does nothing.
 * @throws CloreError `setup.no-pulumi` with what was tried and where to get it
 * @example const { dir } = await ensurePulumi({ log }); env.PATH = `${dir}:${env.PATH}`
 */
export function ensurePulumi(options: { log: Log; cache?: string }): Promise<Installed> {
  return ensureTool(pulumi, options);
}

/** The folder of a new enough `pulumi` with its language host, both on `path`. */
export async function pulumiOnPath(path?: string): Promise<{ dir: string; version: string } | undefined> {
  const [cli, language] = executables.map((name) => which(name, path));
  if (!cli || !language) return undefined;
  const version = (await output(cli, ["version"], { env: quiet }).catch(() => "")).trim().replace(/^v/, "");
  return isNewEnough(version, pulumiVersion) ? { dir: dirname(cli), version } : undefined;
}

const pulumi: Tool = {
  name: "pulumi",
  version: pulumiVersion,
  executables,
  onPath: () => pulumiOnPath(),
  async verify(dir) {
    const seen = (await output(join(dir, "pulumi"), ["version"], { env: quiet })).trim();
    if (seen !== `v${pulumiVersion}`) throw new Error(`what was installed calls itself ${seen}`);
  },
  sources: [
    { how: "download", install: installArchive },
    { how: "go", install: buildWithGo },
  ],
  missing: {
    code: "setup.no-pulumi",
    hint: `install the Pulumi CLI ${pulumiVersion} or newer (https://www.pulumi.com/docs/install/), or Go 1.25.11 or newer (https://go.dev/dl/) and run this again`,
  },
};

async function installArchive({ bin, scratch }: Place, log: Log): Promise<void> {
  const arch = process.arch === "arm64" ? "arm64" : "x64";
  const name = `pulumi-v${pulumiVersion}-${process.platform}-${arch}.tar.gz`;
  const file = join(scratch, name);
  await download({
    url: `https://get.pulumi.com/releases/sdk/${name}`,
    file,
    sums: {
      url: `https://github.com/pulumi/pulumi/releases/download/v${pulumiVersion}/SHA512SUMS`,
      algorithm: "sha512",
    },
    log,
  });
  const unpacked = join(scratch, "pulumi");
  await output("tar", ["-xzf", file, "-C", scratch]);
  for (const entry of readdirSync(unpacked)) copyFileSync(join(unpacked, entry), join(bin, entry));
}

async function buildWithGo({ bin }: Place, log: Log): Promise<void> {
  const version = `-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v${pulumiVersion}`;
  log.info(`building the Pulumi CLI ${pulumiVersion} from its Go module (once, a few minutes)`);
  await goBuild({ folder: "pulumi-cli", ldflags: version, out: join(bin, "pulumi"), log });
  await goBuild({ folder: "pulumi-language-nodejs", out: join(bin, "pulumi-language-nodejs"), log });
}
