import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

/** What must not be found, by the name that a failed test shows. */
export type Secrets = Readonly<Record<string, string>>;

/** One place that holds a secret in clear: its name, and where. */
export interface Leak {
  secret: string;
  where: string;
}

/** Larger files hold no text of ours: the CLI's own binaries. */
const mostBytes = 100 * 1024 * 1024;

/**
 * The forms in which a secret can lie about: as it is, escaped in JSON once or twice, in base64, in hex, in a URL.
 * Of a key of several lines each one that is long enough to be its own.
 */
export function formsOf(secret: string): string[] {
  const escaped = JSON.stringify(secret).slice(1, -1);
  // The first line of an OpenSSH key says what kind it is, and its second begins with what all of them have.
  const lines = secret
    .split("\n")
    .filter((line) => line.length >= 40 && !/^(-----|b3BlbnNzaC1rZXktdjE)/.test(line));
  const whole = [
    ...(secret.includes("\n") ? [] : [secret]),
    escaped,
    JSON.stringify(escaped).slice(1, -1),
    encodeURIComponent(secret),
  ];
  const encoded = [Buffer.from(secret).toString("hex"), ...base64Of(secret)];
  return [...new Set([...whole, ...lines, ...encoded])];
}

/** In base64 of something longer a secret looks different at each of three offsets; its ends depend on what is beside. */
function base64Of(secret: string): string[] {
  return [0, 1, 2].map((offset) => {
    const text = Buffer.from(`${"x".repeat(offset)}${secret}`)
      .toString("base64")
      .replace(/=+$/, "");
    return text.slice(offset === 0 ? 0 : 4, -2);
  });
}

/** Which secrets stand in a text. */
export function leaksIn(text: string | Buffer, where: string, secrets: Secrets): Leak[] {
  return Object.entries(secrets).flatMap(([secret, value]) =>
    formsOf(value).some((form) => text.includes(form)) ? [{ secret, where }] : [],
  );
}

/** Which secrets stand in files below a folder, names of files and targets of links included. */
export function leaksBelow(
  folder: string,
  secrets: Secrets,
  skip: (path: string) => boolean = () => false,
): Leak[] {
  const found: Leak[] = [];
  for (const name of names(folder)) {
    const path = join(folder, name);
    if (skip(path)) continue;
    found.push(...leaksIn(name, `the name of ${path}`, secrets));
    const seen = attempt(() => lstatSync(path));
    if (seen?.isSymbolicLink())
      found.push(...leaksIn(attempt(() => readlinkSync(path)) ?? "", path, secrets));
    else if (seen?.isDirectory()) found.push(...leaksBelow(path, secrets, skip));
    else if (seen?.isFile() && seen.size <= mostBytes)
      found.push(...leaksIn(attempt(() => readFileSync(path)) ?? "", path, secrets));
  }
  return found;
}

/** Looks at the arguments of all processes of this machine (those of containers too) until it is disposed. */
export class ArgumentWatch implements Disposable {
  readonly leaks = new Map<string, Leak>();
  /** How many different command lines were seen. */
  get seen(): number {
    return this.#seen.size;
  }
  readonly #seen = new Set<string>();
  readonly #secrets: Secrets;
  readonly #timer: NodeJS.Timeout;

  constructor(secrets: Secrets, everyMs = 100) {
    this.#secrets = secrets;
    this.#timer = setInterval(() => this.#look(), everyMs);
  }

  /** What becomes known only later (a key made in the run) is looked for in what was seen before. */
  also(secrets: Secrets): Leak[] {
    return [...this.#seen].flatMap((line) => leaksIn(line, line.slice(0, 200), secrets));
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    for (const pid of names("/proc")) {
      if (!/^\d+$/.test(pid)) continue;
      const line = attempt(() => readFileSync(`/proc/${pid}/cmdline`, "utf8"));
      if (!line || this.#seen.has(line)) continue;
      this.#seen.add(line);
      for (const leak of leaksIn(line, line.slice(0, 200), this.#secrets))
        this.leaks.set(leak.secret + leak.where, leak);
    }
  }
}

/** Processes whose environment holds a text: their numbers. */
export function processesWith(text: string): number[] {
  return names("/proc")
    .filter((pid) => /^\d+$/.test(pid) && attempt(() => readFileSync(`/proc/${pid}/environ`))?.includes(text))
    .map(Number);
}

function names(folder: string): string[] {
  return attempt(() => readdirSync(folder)) ?? [];
}

/** Files and processes come and go while they are looked at. */
function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
