import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { guarded, type Run, rootOf, type Site, superviseInShell } from "./tool.ts";

/** A playbook of built-in modules. `tuned`: pipelining, a longer ControlPersist, no facts gathered. */
export function ansible(site: Site, venv: string, tuned: boolean): Run {
  const { target, steps, contents, keyFile, knownHosts, work } = site;
  const root = rootOf(steps);
  const tasks = steps.map((step, index) => {
    const mode = "mode" in step ? `0${step.mode.toString(8)}` : undefined;
    if ("folder" in step) return { "ansible.builtin.file": { path: step.folder, state: "directory", mode } };
    if ("file" in step)
      return { "ansible.builtin.copy": { src: contents.get(index), dest: step.file, mode } };
    if ("command" in step) {
      return "creates" in step
        ? { "ansible.builtin.shell": { cmd: step.command, creates: step.creates } }
        : { "ansible.builtin.shell": { cmd: guarded(step) } };
    }
    if ("process" in step) return { "ansible.builtin.shell": { cmd: superviseInShell(root, step.process) } };
    return { "ansible.builtin.wait_for": { path: `${root}/logs/ready`, sleep: 1, timeout: 60 } };
  });
  // JSON is YAML.
  const play = [{ hosts: "all", ...(tuned ? { gather_facts: false } : {}), tasks }];
  writeFileSync(join(work, "playbook.yml"), JSON.stringify(play));
  writeFileSync(
    join(work, "inventory.ini"),
    `bench ansible_host=${target.address} ansible_port=${target.port} ansible_user=${target.user} ansible_ssh_private_key_file=${keyFile} ` +
      `ansible_python_interpreter=/usr/bin/python3 ansible_ssh_common_args='-F none -o IdentitiesOnly=yes -o UserKnownHostsFile=${knownHosts}'\n`,
  );
  const sockets = join(work, "cp");
  mkdirSync(sockets, { recursive: true });
  const speed = tuned
    ? "pipelining = True\nssh_args = -o ControlMaster=auto -o ControlPersist=10m -o PreferredAuthentications=publickey\n"
    : "";
  writeFileSync(
    join(work, "ansible.cfg"),
    `[defaults]\ninventory = ${join(work, "inventory.ini")}\n[ssh_connection]\ncontrol_path_dir = ${sockets}\n${speed}`,
  );
  return {
    command: [join(venv, "bin/ansible-playbook"), join(work, "playbook.yml")],
    env: {
      ANSIBLE_CONFIG: join(work, "ansible.cfg"),
      ANSIBLE_LOCAL_TEMP: join(work, "tmp"),
      ANSIBLE_HOME: join(work, "home"),
      LC_ALL: "C.UTF-8",
    },
    after: [
      "sh",
      "-c",
      `for socket in ${sockets}/*; do [ -S "$socket" ] && ssh -F none -o ControlPath="$socket" -O exit bench; done; :`,
    ],
  };
}
