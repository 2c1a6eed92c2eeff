import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** A second client of the local daemon: its output, or "" when it fails. */
export function docker(...args: string[]): string {
  try {
    return execFileSync("docker", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return "";
  }
}

/** Where containers on the default bridge reach this machine. */
export function bridgeAddress(): string {
  return (
    docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}") || "172.17.0.1"
  );
}

/** Makes an image that has `sh` and this Node at /usr/local/bin/node and nothing else: no registry is needed. */
export function importNodeImage(tag: string): void {
  const folder = mkdtempSync(join(tmpdir(), "clore-image-"));
  const put = (from: string, to: string) => {
    mkdirSync(join(folder, dirname(to)), { recursive: true });
    copyFileSync(realpathSync(from), join(folder, to));
  };
  for (const [program, path] of [
    ["/bin/sh", "/bin/sh"],
    [process.execPath, "/usr/local/bin/node"],
  ] as const) {
    put(program, path);
    const libraries = execFileSync("ldd", [program], { encoding: "utf8" }).matchAll(/(\/\S+) \(0x/g);
    for (const [, library] of libraries) put(library!, library!);
  }
  mkdirSync(join(folder, "tmp"), { mode: 0o1777 });
  const tar = execFileSync("tar", ["-C", folder, "-cf", "-", "."], { maxBuffer: 512 * 1024 * 1024 });
  execFileSync("docker", ["import", "-", tag], { input: tar, stdio: ["pipe", "ignore", "inherit"] });
  rmSync(folder, { recursive: true, force: true });
}
