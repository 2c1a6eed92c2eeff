import { dirname, join, normalize } from "node:path";

/** A tracked text file: path from the root of the repository, and what is in it. */
export interface Source {
  path: string;
  text: string;
}

/** One breach: where, and what is wrong there. */
export interface Breach {
  path: string;
  line: number;
  problem: string;
}

/** What the rules need to know of the clone. */
export interface Clone {
  /** Its absolute path, which no tracked file may name. */
  root: string;
  /** Whether a path from the root is a file or folder in it. */
  exists(path: string): boolean;
}

/**
 * The project's own rules, those that neither biome nor tsc know. Pure: texts in, breaches out.
 * CONTRIBUTING.md gives the reason of each.
 */
export function breaches(sources: readonly Source[], clone: Clone): Breach[] {
  return sources.flatMap((source) => [
    ...layers(source),
    ...oneDoor(source),
    ...leaks(source, clone),
    ...links(source, clone),
  ]);
}

/** What may know Pulumi. Everything else below src/ can be read, tested and used without it. */
const pulumiSide = /^src\/(provider|resources|components|index\.ts)/;

function layers({ path, text }: Source): Breach[] {
  if (!path.startsWith("src/") || !path.endsWith(".ts")) return [];
  return imports(text).flatMap(({ line, from }) => {
    if (from.startsWith("@pulumi/") && !pulumiSide.test(path)) {
      return [
        { path, line, problem: `imports ${from}; only provider/, resources/ and components/ know Pulumi` },
      ];
    }
    const target = from.startsWith(".") ? normalize(join(dirname(path), from)) : "";
    const crosses = (one: string, other: string) => path.startsWith(one) && target.startsWith(other);
    if (crosses("src/emulator/", "src/clore/") || crosses("src/clore/", "src/emulator/")) {
      return [
        {
          path,
          line,
          problem: `imports ${from}; client and emulator share no code, so that one's mistake shows in the other`,
        },
      ];
    }
    return [];
  });
}

/** The files that may reach the network by HTTP; each bounds time and size, and is tested for it. */
const httpDoors = new Set([
  "src/clore/http.ts",
  "src/health/ask.ts",
  "src/proxy/upstream.ts",
  "src/proxy/image.ts",
  "tools/start/marketplace.ts",
  "tools/start/questions.ts",
  "tools/setup/download.ts",
]);

function oneDoor({ path, text }: Source): Breach[] {
  if (!/^(src|stacks|tools)\/.*\.m?ts$/.test(path) || httpDoors.has(path)) return [];
  return linesWith(text, /(?<![\w.])fetch\(|from ["]undici"/).map((line) => ({
    path,
    line,
    problem: "calls the network by itself; use one of the HTTP doors (tools/check-rules.ts)",
  }));
}

// Written apart, so that this file does not break its own rule.
const registryHosts = ["registry.npmjs" + ".org", "proxy.golang" + ".org", "files.pythonhosted" + ".org"];

function leaks({ path, text }: Source, clone: Clone): Breach[] {
  const machine = linesWith(text, new RegExp(`${RegExp.escape(clone.root)}(?![\\w-])`));
  const registry = linesWith(text, new RegExp(registryHosts.map((host) => RegExp.escape(host)).join("|")));
  return [
    // A clone in /app or /src would find its own name everywhere.
    ...(clone.root.split("/").length > 2 ? machine : []).map((line) => ({
      path,
      line,
      problem: "names a path of this machine",
    })),
    ...registry.map((line) => ({
      path,
      line,
      problem: "names a package registry; the user's npm and go know theirs",
    })),
  ];
}

function links({ path, text }: Source, clone: Clone): Breach[] {
  if (!path.endsWith(".md")) return [];
  const found: Breach[] = [];
  for (const [index, line] of withoutCode(text).split("\n").entries()) {
    for (const match of line.matchAll(/\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"/g)) {
      const target = decodeURI((match[1] ?? match[2]!).replace(/[#?].*$/, ""));
      if (target === "" || /^[a-z]+:/i.test(target)) continue;
      const file = normalize(target.startsWith("/") ? target.slice(1) : join(dirname(path), target));
      if (!clone.exists(file))
        found.push({ path, line: index + 1, problem: `links to ${target}, which is not there` });
    }
  }
  return found;
}

/** What a TypeScript file imports or exports from, dynamic imports of a plain string included. */
function imports(text: string): { line: number; from: string }[] {
  return text.split("\n").flatMap((each, index) => {
    const match = /(?:^|\s)(?:from|import)\s*\(?\s*"([^"]+)"/.exec(each);
    return match && !/^\s*(\*|\/\/)/.test(each) ? [{ line: index + 1, from: match[1]! }] : [];
  });
}

function linesWith(text: string, pattern: RegExp): number[] {
  return text
    .split("\n")
    .flatMap((each, index) => (pattern.test(each) && !/^\s*(\*|\/\/)/.test(each) ? [index + 1] : []));
}

/** Markdown with its code blanked out, line numbers kept: `[a](b)` in a snippet is no link. */
function withoutCode(text: string): string {
  return text.replace(/^```[\s\S]*?^```|`[^`\n]*`/gm, (code) => code.replace(/[^\n]/g, " "));
}
