import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { guarded, type Run, rootOf, type Site, superviseInShell } from "./tool.ts";

/** A deploy of built-in operations; guards in the shell, which costs the fewest calls. */
export function pyinfra(site: Site, venv: string): Run {
  const { target, steps, contents, keyFile, knownHosts, work } = site;
  const root = rootOf(steps);
  const text = (value: string) => JSON.stringify(value); // a JSON string is a Python string
  const shell = (line: string) => `server.shell(commands=[${text(line)}])`;
  const operations = steps.map((step, index) => {
    const mode = "mode" in step ? text(step.mode.toString(8)) : "";
    if ("folder" in step) return `files.directory(path=${text(step.folder)}, mode=${mode})`;
    if ("file" in step) {
      return `files.put(src=${text(contents.get(index)!)}, dest=${text(step.file)}, mode=${mode})`;
    }
    if ("command" in step) return shell(guarded(step));
    if ("process" in step) return shell(superviseInShell(root, step.process));
    return shell(`n=0; until ${step.ready}; do n=$((n + 1)); [ $n -lt 600 ] || exit 1; sleep 0.1; done`);
  });
  writeFileSync(
    join(work, "deploy.py"),
    `from pyinfra.operations import files, server\n${operations.join("\n")}\n`,
  );
  const data = [
    `"ssh_port": ${target.port}`,
    `"ssh_user": ${text(target.user)}`,
    `"ssh_key": ${text(keyFile)}`,
    `"ssh_known_hosts_file": ${text(knownHosts)}`,
    '"ssh_look_for_keys": False',
    '"ssh_allow_agent": False',
  ];
  writeFileSync(join(work, "inventory.py"), `hosts = [(${text(target.address)}, {${data.join(", ")}})]\n`);
  return {
    command: [join(venv, "bin/pyinfra"), "-y", join(work, "inventory.py"), join(work, "deploy.py")],
    env: { LC_ALL: "C.UTF-8" },
  };
}
