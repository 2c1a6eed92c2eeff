import { CloreError } from "../../core/errors.ts";
import { quote } from "../../ssh/quote.ts";
import type { HostFacts } from "../types.ts";
import type { PythonSeen, VllmSeen } from "./look.ts";
import { VLLM_VERSION } from "./serve.ts";

/** Of the pinned version's wheel. */
const PYTHON = { oldest: 10, newest: 13 };
/** PyTorch's kernels of the pinned version begin with Volta (V100) and Turing (RTX 20). */
const LEAST_COMPUTE = 7;
/** Wheels of 4 to 5 GB side by side with what they unpack to, 9 to 10 GB: an estimate. */
const NEEDED_GB = 15;

/** How vLLM gets on a host. Data: it can be shown, compared and tested. */
export interface VllmPlan {
  /** Absolute path of the program when the plan is done. */
  program: string;
  /** Shell lines, to be run in order until one fails; none: it is there. */
  lines: readonly string[];
}

/** Below the login user's home: a virtual environment a version. */
export function vllmFolder(home: string): string {
  return `${home}/.pulumi-clore/runtime/vllm-${VLLM_VERSION}`;
}

/**
 * Why vLLM cannot be installed on a host, gravest first; none: it can. Pure, and asked before anything is downloaded.
 * Codes: `host.no-gpu`, `host.wrong-gpu`, `host.vllm-impossible`, `host.too-little-disk`.
 */
export function vllmObstacles(facts: HostFacts, seen: VllmSeen): readonly CloreError[] {
  const found: CloreError[] = [];
  const add = (code: string, message: string, saw: string, hint: string) =>
    found.push(new CloreError(code, { message, seen: saw, hint }));
  const oldest = Math.min(...seen.computeCapabilities);
  if (facts.gpus.length === 0) {
    const hint = "take a server with an NVIDIA GPU; Ollama runs without one";
    add("host.no-gpu", "vLLM needs a GPU, the host shows none", "nvidia-smi lists no GPU", hint);
  } else if (oldest < LEAST_COMPUTE) {
    const names = facts.gpus.map(({ name }) => name).join(", ");
    const message = `vLLM needs GPUs of compute capability ${LEAST_COMPUTE}.0 or more`;
    add(
      "host.wrong-gpu",
      message,
      `${names}: ${oldest}`,
      "take an RTX 20 or newer; Ollama runs on older GPUs",
    );
  }
  if (!/^(x86_64|amd64|aarch64|arm64)$/.test(facts.arch)) {
    const hint = "x86_64 and aarch64 hosts can run it";
    add("host.vllm-impossible", "there is no vLLM for this host's architecture", facts.arch, hint);
  }
  const python = choosePython(seen);
  if (!python) {
    const versions = seen.pythons.map(({ path, minor }) => `${path} is 3.${minor}`).join(", ");
    const message = `vLLM ${VLLM_VERSION} needs Python 3.${PYTHON.oldest} to 3.${PYTHON.newest}`;
    const hint = "take an image with a newer system (Ubuntu 22.04, Debian 12 or later), or mode image";
    add("host.vllm-impossible", message, versions || "no python3", hint);
  } else if (!canInstallPackages(facts)) {
    const missing = missingParts(python, seen);
    if (missing.length > 0) {
      const message = `vLLM needs parts that are missing and cannot be installed here as ${facts.user}`;
      const hint = `install them: apt-get install ${packages(python).join(" ")}`;
      add("host.vllm-impossible", message, missing.join(", "), hint);
    }
  }
  if (facts.disk.freeGb < NEEDED_GB) {
    const message = `installing vLLM takes ${NEEDED_GB} GB of disk`;
    const hint = "free space on the host, or take one with a bigger disk (minDiskGb)";
    add("host.too-little-disk", message, `${facts.disk.freeGb} GB free`, hint);
  }
  return found;
}

/**
 * What has to be done so that vLLM is there: what the system lacks, a virtual environment, the pinned version in it.
 * `index`: see {@link pipIndexArguments}. Pure.
 * @throws CloreError the first of {@link vllmObstacles}; `vllm.bad-index`
 */
export function planVllm(facts: HostFacts, seen: VllmSeen, index: string | undefined): VllmPlan {
  if (seen.program !== undefined) return { program: seen.program, lines: [] };
  const [obstacle] = vllmObstacles(facts, seen);
  if (obstacle) throw obstacle;
  const python = choosePython(seen)!;
  const folder = vllmFolder(facts.home);
  const pip = [`${folder}/bin/python`, "-m", "pip", "install", ...PIP_OPTIONS, ...pipIndexArguments(index)];
  const apt = "DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300";
  const system =
    missingParts(python, seen).length === 0
      ? []
      : [
          `${apt} update -qq`,
          `${apt} install -y -qq --no-install-recommends ${packages(python).join(" ")} >/dev/null`,
        ];
  const lines = [
    ...system,
    quote(["rm", "-rf", folder]),
    quote([python.path, "-m", "venv", folder]),
    `${quote(pip)} vllm==${VLLM_VERSION}`,
    quote(["test", "-x", `${folder}/bin/vllm`]),
    quote(["touch", `${folder}/complete`]),
  ];
  return { program: `${folder}/bin/vllm`, lines };
}

/** No cache: on a rented disk the wheels would lie there a second time. */
const PIP_OPTIONS = ["--disable-pip-version-check", "--no-input", "--no-cache-dir", "--progress-bar", "off"];

/**
 * Where pip takes packages from: the http(s) address of an index in PyPI's form, or an absolute path of the host that
 * holds wheels. Nothing: as the host's own pip is set up, by default PyPI. Pure.
 * @throws CloreError `vllm.bad-index`
 */
export function pipIndexArguments(index: string | undefined): string[] {
  if (index === undefined) return [];
  if (index.startsWith("/")) return ["--no-index", "--find-links", index];
  const url = URL.canParse(index) ? new URL(index) : undefined;
  if (url && /^https?:$/.test(url.protocol) && url.username === "" && url.password === "")
    return ["--index-url", index];
  throw new CloreError("vllm.bad-index", {
    message:
      "the package index for vLLM is neither an http(s) address without a password nor an absolute path",
    hint: "write https://host/simple, or /folder/with/wheels; a password belongs into the host's own pip.conf",
  });
}

/** One that lacks nothing, or else the first that will do. */
function choosePython({ pythons }: VllmSeen): PythonSeen | undefined {
  const fit = pythons.filter(({ minor }) => minor >= PYTHON.oldest && minor <= PYTHON.newest);
  return fit.find(({ canVenv, hasHeaders }) => canVenv && hasHeaders) ?? fit[0];
}

function missingParts(python: PythonSeen, seen: VllmSeen): string[] {
  return [
    ...(python.canVenv ? [] : [`venv of Python 3.${python.minor}`]),
    ...(python.hasHeaders ? [] : [`C headers of Python 3.${python.minor}`]),
    ...(seen.hasCompiler ? [] : ["a C compiler"]),
  ];
}

/** As Debian and Ubuntu call what vLLM needs beside itself: Triton compiles small C programs when a model is loaded. */
function packages({ minor }: PythonSeen): string[] {
  return [`python3.${minor}-venv`, `python3.${minor}-dev`, "gcc", "libc6-dev"];
}

function canInstallPackages(facts: HostFacts): boolean {
  return facts.isRoot && facts.tools.includes("apt-get");
}
