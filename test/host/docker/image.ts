import { execFileSync } from "node:child_process";

/** What is in it; `node` runs from outside, as a volume. */
const PROGRAMS = ["/bin/sh", "/bin/sleep", "/bin/cat"];

/** Makes an image of a few of this machine's own programs and their libraries: no registry is needed. */
export function importTinyImage(tag: string): void {
  const libraries = [...PROGRAMS, process.execPath].flatMap((program) => {
    const listed = execFileSync("ldd", [program], { encoding: "utf8" });
    return [...listed.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1]!);
  });
  const files = [...new Set([...PROGRAMS, ...libraries])].map((path) => path.slice(1));
  const tar = execFileSync("tar", ["-C", "/", "-chf", "-", ...files], { maxBuffer: 256 * 1024 * 1024 });
  execFileSync("docker", ["import", "-", tag], { input: tar, stdio: ["pipe", "ignore", "inherit"] });
}

/** A volume that puts this Node into a container. */
export const nodeVolume = { source: process.execPath, target: "/bin/node", readOnly: true };
