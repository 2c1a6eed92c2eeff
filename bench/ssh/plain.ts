import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { guarded, type Run, rootOf, type Site, superviseInShell } from "./tool.ts";

/** A shell script over one shared connection: one call a step, what is the same is left alone, the big file is not sent again. */
export function plainSsh({ target, steps, contents, keyFile, knownHosts, work }: Site): Run {
  const config = join(work, "ssh_config");
  writeFileSync(
    config,
    `Host bench
  HostName ${target.address}
  Port ${target.port}
  User ${target.user}
  IdentityFile ${keyFile}
  IdentitiesOnly yes
  UserKnownHostsFile ${knownHosts}
  PreferredAuthentications publickey
  ControlMaster auto
  ControlPath ${join(work, "master")}
  ControlPersist 60
`,
  );
  const root = rootOf(steps);
  const lines = steps.map((step, index) => {
    if ("folder" in step) return `folder ${step.folder} ${step.mode.toString(8)}`;
    if ("file" in step) {
      const verb = step.content.length > 1_000_000 ? "big_file" : "file";
      return `${verb} ${contents.get(index)} ${step.file} ${step.mode.toString(8)}`;
    }
    if ("command" in step) return `on ${inQuotes(guarded(step))}`;
    if ("process" in step) return `on ${inQuotes(superviseInShell(root, step.process))}`;
    return `on ${inQuotes(`n=0; until ${step.ready}; do n=$((n + 1)); [ $n -lt 600 ] || exit 1; sleep 0.1; done`)}`;
  });
  const script = join(work, "deploy.sh");
  writeFileSync(
    script,
    `#!/bin/sh
set -eu
on() { ssh -F ${config} bench "$1"; }
folder() { on "mkdir -p $1 && chmod $2 $1"; }
# One call: the content goes along, and only a file that differs is replaced.
file() {
  on "umask 077; cat >$2.new && chmod $3 $2.new && if cmp -s $2.new $2; then chmod $3 $2; rm $2.new; else mv $2.new $2; fi" <"$1"
}
big_file() {
  sum=$(sha256sum <"$1")
  [ "$(on "sha256sum <$2 2>/dev/null || :")" = "$sum" ] || file "$@"
}
${lines.join("\n")}
`,
  );
  return { command: ["sh", script], after: ["ssh", "-F", config, "-O", "exit", "bench"] };
}

function inQuotes(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
