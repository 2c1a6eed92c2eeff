/** The 20 ordinary steps that every tool carries out: one list, from which each tool's own input is written. */
export type Step =
  | { folder: string; mode: number }
  | { file: string; mode: number; content: string }
  /** Run unless the file is there, or unless the check exits 0. */
  | { command: string; creates: string }
  | { command: string; unless: string }
  /** A program that is started again when it ends, and its readiness, polled until it is there. */
  | { process: readonly string[] }
  | { ready: string };

export const SERVICE = "bench-app";

const MB = 1_000_000;

/** Below `root`, an absolute path on the host. `big`: the content of the 5 MB file. */
export function steps(root: string, big: string): readonly Step[] {
  const at = (path: string) => `${root}/${path}`;
  return [
    { folder: root, mode: 0o755 },
    { folder: at("conf.d"), mode: 0o750 },
    { folder: at("data"), mode: 0o755 },
    { folder: at("logs"), mode: 0o700 },
    { file: at("app.sh"), mode: 0o755, content: program(root) },
    { file: at("conf.d/listen.conf"), mode: 0o644, content: "listen = 127.0.0.1:8080\nworkers = 4\n" },
    { file: at("conf.d/limits.conf"), mode: 0o640, content: "requests = 100\nburst = 20\n" },
    { file: at("conf.d/routes.conf"), mode: 0o644, content: routes() },
    { file: at("greeting"), mode: 0o644, content: "Grüße aus dem Rechenzentrum\n" },
    { file: at("data/table.bin"), mode: 0o644, content: big },
    { file: at("app.env"), mode: 0o600, content: "APP_MODE=production\nAPP_TOKEN=not-a-real-one\n" },
    { file: at("worker.env"), mode: 0o600, content: "QUEUE=fast\nRETRIES=3\n" },
    {
      command: `sha256sum ${at("data/table.bin")} >${at("data/table.sha256")}`,
      creates: at("data/table.sha256"),
    },
    { command: `sort -r ${at("conf.d/routes.conf")} >${at("data/routes")}`, creates: at("data/routes") },
    { command: `tar -C ${root} -cf ${at("data/conf.tar")} conf.d`, creates: at("data/conf.tar") },
    {
      command: `ln -sfn ${at("conf.d")} ${at("current")}`,
      unless: `[ "$(readlink ${at("current")})" = ${at("conf.d")} ]`,
    },
    { command: `echo 3 >${at("data/schema")}`, unless: `grep -qx 3 ${at("data/schema")}` },
    { command: `cp ${at("greeting")} ${at("motd")}`, unless: `cmp -s ${at("greeting")} ${at("motd")}` },
    { process: [at("app.sh")] },
    { ready: `[ -e ${at("logs/ready")} ]` },
  ];
}

/** Says that it is ready, and stays. */
function program(root: string): string {
  return `#!/bin/sh\n. ${root}/app.env\necho "$$ $APP_MODE" >${root}/logs/ready\nexec sleep 1000000\n`;
}

function routes(): string {
  return Array.from({ length: 40 }, (_, n) => `route ${n} /v1/part-${n} upstream-${n % 7}\n`).join("");
}

/** 5 MB of text that does not compress away, the same each time. */
export function bigContent(): string {
  let seed = 1;
  const words = new Uint32Array((5 * MB) / 8);
  for (let n = 0; n < words.length; n++) {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    words[n] = seed;
  }
  return Buffer.from(words.buffer).toString("hex");
}
