import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { CloreError } from "../../core/errors.ts";
import { OLLAMA_VERSION } from "../../host/ollama/install.ts";
import { ollamaContext } from "./ollama-context.ts";

/**
 * Which kind of host a container plays: `plain` is unprivileged like a rental on Clore.ai, `supervisord` the same under
 * supervisord, on `docker` Docker can be installed and started, `systemd` has systemd as PID 1. `ollama` is a rental
 * whose image is ollama/ollama, with the sshd of `autossh_entrypoint`.
 */
export type Variant = "plain" | "supervisord" | "docker" | "systemd" | "ollama";

const templates = fileURLToPath(new URL("../../../templates/emulator/", import.meta.url));
const hubBase = "debian:bookworm-slim";
const ownBase = "pulumi-clore-base:bookworm";

/** Whether a Docker daemon answers within 5 s. */
export async function dockerWorks(): Promise<boolean> {
  const { exitCode } = await docker(["version", "--format", "{{.Server.Version}}"], 5_000);
  return exitCode === 0;
}

/**
 * What containers of the default bridge call this machine, and where to listen for them. On Linux that is the bridge's
 * own address; where Docker runs in a virtual machine it carries `host.docker.internal` to our loopback.
 */
export async function fromContainers(): Promise<{ host: string; listen: string | undefined }> {
  const format = "{{range .IPAM.Config}}{{.Gateway}}|{{.Subnet}} {{end}}";
  const { stdout } = await docker(["network", "inspect", "bridge", "--format", format], 5_000);
  const [gateway, subnet] = (stdout.trim().split(" ")[0] ?? "").split("|");
  // An older daemon states no gateway: it is the first address of the net.
  const address = gateway || subnet?.replace(/\.\d+\/\d+$/, ".1");
  return address && (await canListenOn(address))
    ? { host: address, listen: address }
    : { host: "host.docker.internal", listen: undefined };
}

/** The system's list of interfaces leaves out a bridge without containers: trying is surer. */
function canListenOn(address: string): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(0, address, () => server.close(() => resolve(true)));
  });
}

const building = new Map<Variant, Promise<string>>();

/**
 * Builds the image of a kind of machine unless it is there (its tag is a hash of what it is made from). The first time
 * takes about a minute: `debian:bookworm-slim` from Docker Hub, or, where that is out of reach and we are root,
 * a base made with debootstrap.
 * @returns the tag
 * @throws CloreError `emulator.no-base-image` when neither way is open, `emulator.image-failed` when the build fails
 */
export function ensureMachineImage(
  variant: Variant,
  onProgress: (message: string) => void = () => {},
): Promise<string> {
  const running = building.get(variant) ?? build(variant, onProgress);
  building.set(variant, running);
  void running.catch(() => building.delete(variant));
  return running;
}

async function build(variant: Variant, onProgress: (message: string) => void): Promise<string> {
  const name = variant === "ollama" ? `ollama-${OLLAMA_VERSION}` : variant;
  const tag = `pulumi-clore-machine:${name}-${await contentHash()}`;
  if (await hasImage(tag)) return tag;
  const base = await ensureBase(onProgress);
  onProgress(`building the ${variant} machine image (once)`);
  await using own = variant === "ollama" ? await ollamaContext(templates) : undefined;
  const context = own?.folder ?? templates;
  const file = join(context, own ? "ollama.Dockerfile" : "machine.Dockerfile");
  const args = [
    // Package mirrors that only this machine reaches are reached from the build too.
    ...["build", "--network", "host", "--build-arg", `BASE=${base}`, "-t", tag, "-f", file],
    ...(own ? [] : ["--target", variant]),
    context,
  ];
  const { exitCode, stdout, stderr } = await docker(args, 900_000);
  if (exitCode !== 0) {
    throw new CloreError("emulator.image-failed", {
      message: `docker build of the ${variant} machine image failed`,
      seen: lastLines(`${stdout}\n${stderr}`),
      hint: "use --machines sandbox, which needs no Docker",
      retry: "later",
    });
  }
  return tag;
}

async function contentHash(): Promise<string> {
  const hash = createHash("sha256");
  for (const name of (await readdir(templates)).toSorted())
    hash.update(name).update(await readFile(join(templates, name)));
  return hash.digest("hex").slice(0, 12);
}

async function ensureBase(onProgress: (message: string) => void): Promise<string> {
  if (await hasImage(hubBase)) return hubBase;
  if (await hasImage(ownBase)) return ownBase;
  onProgress(`pulling ${hubBase}`);
  const pull = await docker(["pull", "--quiet", hubBase], 180_000);
  if (pull.exitCode === 0) return hubBase;
  const debootstrap = await execa("debootstrap", ["--version"], { reject: false });
  if (process.getuid?.() !== 0 || debootstrap.exitCode !== 0) {
    throw new CloreError("emulator.no-base-image", {
      message: `${hubBase} could not be pulled, and a base can only be made here as root with debootstrap`,
      seen: lastLines(pull.stderr),
      hint: "install debootstrap and run as root, or use --machines sandbox, which needs no Docker",
      retry: "later",
    });
  }
  onProgress("Docker Hub is out of reach: making a base with debootstrap (about 30 s, once)");
  const folder = await mkdtemp(join(tmpdir(), "clore-base-"));
  try {
    await execa("debootstrap", ["--variant=minbase", "bookworm", folder], { timeout: 600_000 });
    const whole = { buffer: false, timeout: 300_000 } as const;
    await execa("tar", ["-C", folder, "-c", "."], whole).pipe("docker", ["import", "-", ownBase], whole);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return ownBase;
}

async function hasImage(tag: string): Promise<boolean> {
  return (await docker(["image", "inspect", "--format", "{{.Id}}", tag], 20_000)).exitCode === 0;
}

function docker(args: readonly string[], timeout: number) {
  return execa("docker", args, { reject: false, timeout, stdin: "ignore" });
}

function lastLines(text: string): string {
  return text.trim().split("\n").slice(-8).join("\n");
}
