import { createHash } from "node:crypto";
import { InputError, type InputProblem } from "../../core/errors.ts";
import type { Secret } from "../../core/secret.ts";
import { quote } from "../../ssh/quote.ts";
import type { RemoteFile } from "../../ssh/types.ts";
import { template } from "../template.ts";

/** How a service says that it is ready: a 2xx or 3xx answer on the host's loopback, or a command that exits 0. */
export type ServiceHealth = ({ http: { port: number; path: string } } | { command: readonly string[] }) & {
  /** The most to wait for it after a start, in seconds. */
  timeoutSeconds: number;
};

/**
 * A process that is to run on a host, supervised.
 * @example { name: "proxy", command: ["node", "proxy.mjs"], files: [proxy], ports: [8080], health: { http: { port: 8080, path: "/healthz" }, timeoutSeconds: 30 } }
 */
export interface ServiceSpec {
  /** Lower-case letters, digits, `.`, `_`, `-`; at most 63. One service a name on a host. */
  name: string;
  /** Program and arguments; no shell in between. A relative program with a slash is looked up in the workdir. */
  command: readonly string[];
  /** Plain settings. They can be read by whoever can read the login user's files. */
  env?: Readonly<Record<string, string>>;
  /** Kept in a 0600 file of the login user, never in an argument or a log. */
  secretEnv?: Readonly<Record<string, Secret>>;
  /** Paths are relative to the release's folder (one a version, so that an older version stays whole). */
  files?: readonly RemoteFile[];
  /** Absolute, or relative to the release's folder. @default the release's folder */
  workdir?: string;
  /** @default "always" */
  restart?: "always" | "on-failure" | "no";
  /** Seconds between TERM and KILL of the process group. @default 10 */
  stopTimeoutSeconds?: number;
  /** TCP ports that it listens on, looked at before it is started. The health check's port is one of them. */
  ports?: readonly number[];
  health?: ServiceHealth;
}

/** Which folder of the host, below the login user's home, holds a service. */
export function serviceFolder(name: string): string {
  return `.pulumi-clore/services/${name}`;
}

/** The most that a service may take to start and, on failure, to go back, in milliseconds. */
export function applyTimeoutMs(spec: ServiceSpec): number {
  const health = spec.health?.timeoutSeconds ?? 60;
  return (2 * (health + (spec.stopTimeoutSeconds ?? 10) + 10) + 30) * 1000;
}

/** All mistakes of a spec at once. @throws InputError */
export function checkSpec(spec: ServiceSpec): void {
  const problems: InputProblem[] = [];
  const add = (path: string, problem: string) => problems.push({ path, problem });
  if (!/^[a-z0-9][a-z0-9._-]{0,62}$/.test(spec.name)) {
    add("name", "should be lower-case letters, digits, '.', '_' or '-', at most 63");
  }
  if (!spec.command[0]) add("command", "should name a program");
  for (const key of [...Object.keys(spec.env ?? {}), ...Object.keys(spec.secretEnv ?? {})]) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(key)) add(`env["${key}"]`, "should be a name such as LOG_LEVEL");
  }
  for (const file of spec.files ?? []) {
    const parts = file.path.split("/");
    if (parts.some((part) => part === "" || part === "." || part === "..") || RESERVED.has(file.path)) {
      add(`files["${file.path}"]`, "should be a path below the release's folder, not one of its own files");
    }
  }
  for (const port of allPorts(spec)) {
    if (!Number.isInteger(port) || port < 1 || port > 65535) add("ports", `${port} is no port (1 to 65535)`);
  }
  if (spec.health && "http" in spec.health && !/^\/[^\s'"\\]*$/.test(spec.health.http.path)) {
    add("health.http.path", "should begin with / and hold no spaces or quotes");
  }
  if (problems.length > 0) throw new InputError(`service ${spec.name}`, problems);
}

/** The files that our own scripts read in a release's folder. */
const RESERVED = new Set(["start", "supervise", "settings", "health", "secret.env"]);

/**
 * Everything of a release as files, and the digest that names its folder: same content, same digest. Pure.
 * A changed secret or supervisor script changes it too.
 */
export function renderRelease(spec: ServiceSpec): { digest: string; files: readonly RemoteFile[] } {
  checkSpec(spec);
  const own: RemoteFile[] = [
    { path: "supervise", content: template("supervise.sh"), mode: 0o700 },
    { path: "settings", content: settings(spec), mode: 0o600 },
    { path: "start", content: startScript(spec), mode: 0o700 },
    { path: "secret.env", content: secretEnv(spec), mode: 0o600 },
  ];
  if (spec.health) own.push({ path: "health", content: healthScript(spec.health), mode: 0o700 });
  const files = [...own, ...(spec.files ?? [])];
  const hash = createHash("sha256");
  for (const file of files) {
    hash.update(`${file.path}\0${file.mode}\0${file.owner ?? ""}\0${Buffer.byteLength(file.content)}\0`);
    hash.update(file.content);
  }
  const digest = hash.digest("hex").slice(0, 24);
  const folder = `${serviceFolder(spec.name)}/releases/${digest}`;
  return { digest, files: files.map((file) => ({ ...file, path: `${folder}/${file.path}` })) };
}

function allPorts(spec: ServiceSpec): number[] {
  const health = spec.health && "http" in spec.health ? [spec.health.http.port] : [];
  return [...new Set([...(spec.ports ?? []), ...health])];
}

function settings(spec: ServiceSpec): string {
  return [
    `restart=${spec.restart ?? "always"}`,
    `stop_timeout=${spec.stopTimeoutSeconds ?? 10}`,
    `ports='${allPorts(spec).join(" ")}'`,
    `health_timeout=${spec.health?.timeoutSeconds ?? 60}`,
    "",
  ].join("\n");
}

function startScript(spec: ServiceSpec): string {
  const exports = Object.entries(spec.env ?? {}).map(([key, value]) => `export ${key}=${quote([value])}`);
  return [
    "#!/bin/sh",
    'release=$(cd "$(dirname "$0")" && pwd -P) && cd "$release" || exit 1',
    ...exports,
    '. "$release/secret.env"',
    ...(spec.workdir === undefined ? [] : [`cd ${quote([spec.workdir])} || exit 1`]),
    `exec ${quote(spec.command)}`,
    "",
  ].join("\n");
}

function secretEnv(spec: ServiceSpec): string {
  const lines = Object.entries(spec.secretEnv ?? {}).map(
    ([key, value]) => `export ${key}=${quote([value.reveal()])}\n`,
  );
  return lines.join("");
}

/** Exit 0: healthy, 3: nothing here can ask (then we ask through SSH), else: not yet, with a line that says why. */
function healthScript(health: ServiceHealth): string {
  if ("command" in health) {
    return `#!/bin/sh\ncd "$(dirname "$0")" || exit 1\n. ./secret.env\n${quote(health.command)}\n[ $? -eq 0 ] || exit 1\n`;
  }
  const url = `http://127.0.0.1:${health.http.port}${health.http.path}`;
  return `#!/bin/sh
unset http_proxy HTTP_PROXY all_proxy ALL_PROXY
if command -v curl >/dev/null 2>&1; then
  # The body says why a service is not ready, so it is shown; \`curl -f\` would hide it.
  said=$(curl -sS -m 5 -w ' %{http_code}' '${url}' 2>&1 | tr '\\r\\n' '  ' | tail -c 400)
  status=\${said##* }
  case $status in 2?? | 3??) exit 0 ;; 000) ;; *) printf 'HTTP %s: ' "$status" ;; esac
  printf '%s\\n' "\${said% *}"
  exit 1
elif command -v wget >/dev/null 2>&1; then
  said=$(wget -O /dev/null -T 5 '${url}' 2>&1) && exit 0
  printf '%s\\n' "$said" | tail -n 1
  exit 1
elif python3 -c 'import urllib.request' 2>/dev/null; then
  python3 -c '
import sys, urllib.error, urllib.request
try: urllib.request.urlopen("${url}", timeout=5)
except urllib.error.HTTPError as e: sys.exit("HTTP %d: %s" % (e.code, " ".join(e.read(400).decode("utf-8", "replace").split())))
except Exception as e: sys.exit(str(e))' || exit 1
else exit 3; fi
`;
}
