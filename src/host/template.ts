import { readFileSync } from "node:fs";

/** A script of `templates/host/`, as text: what is run or written on a server. */
export function template(name: string): string {
  return readFileSync(new URL(`../../templates/host/${name}`, import.meta.url), "utf8");
}
