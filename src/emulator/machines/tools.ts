import { mkdir, readdir, symlink } from "node:fs/promises";
import { join } from "node:path";

/**
 * What a sandbox must not find: commands that reach the laptop's own daemons, packages, users or power switch.
 * A rented container has no Docker and no systemd either, so their absence is also the truth.
 */
const hidden =
  /^(docker.*|containerd.*|ctr|runc|podman.*|nerdctl|systemctl|systemd-.*|journalctl|loginctl|service|initctl|supervisor.*|apt.*|dpkg.*|dnf|yum|apk|pacman|brew|snap|sudo|su|doas|pkexec|reboot|shutdown|poweroff|halt|init|telinit|mount|umount|iptables.*|ip6tables.*|nft|useradd|usermod|passwd|crontab|nvidia-smi|nvidia-.*|ollama|pulumi.*|ssh-agent)$/;

/** Makes `folder` a PATH of its own: links to every command of `path` but the hidden ones. First come, first served. */
export async function linkTools(folder: string, path: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const taken = new Set<string>();
  const links: Promise<void>[] = [];
  for (const from of path.split(":").filter((one) => one.startsWith("/"))) {
    for (const name of await readdir(from).catch(() => [])) {
      if (taken.has(name) || hidden.test(name)) continue;
      taken.add(name);
      links.push(symlink(join(from, name), join(folder, name)));
    }
  }
  await Promise.all(links);
}
