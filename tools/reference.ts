// `node tools/reference.ts` writes the tables of docs/resources.md anew, from the docstrings in src/.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

/** One property as its docstring tells of it. */
export interface Property {
  name: string;
  /** Without Pulumi's wrapping. */
  type: string;
  /** As written after `@default`. */
  default: string | undefined;
  optional: boolean;
  text: string;
}

/** A class or an interface of the public API. */
export interface Described {
  text: string;
  examples: readonly string[];
  properties: readonly Property[];
}

/** All exported classes and interfaces of a source text with their properties; an interface has those it extends first. Pure. */
export function describe(text: string): Map<string, Described> {
  const source = ts.createSourceFile("a.ts", text, ts.ScriptTarget.Latest, true);
  const found = new Map<string, Described>();
  for (const statement of source.statements) {
    if (!ts.isInterfaceDeclaration(statement) && !ts.isClassDeclaration(statement)) continue;
    const parents = ts.isInterfaceDeclaration(statement)
      ? (statement.heritageClauses ?? []).flatMap(({ types }) =>
          types.map((type) => type.expression.getText()),
        )
      : [];
    const { text: words, examples } = docOf(statement);
    const own = [...statement.members].flatMap((member) => propertyOf(member));
    const inherited = parents.flatMap((name) => found.get(name)?.properties ?? []);
    found.set(statement.name?.text ?? "", { text: words, examples, properties: [...inherited, ...own] });
  }
  return found;
}

/** Writes each `<!-- inputs X -->`, `<!-- outputs X -->` and `<!-- about X -->` block of a page anew. Pure. */
export function fill(page: string, described: ReadonlyMap<string, Described>): string {
  return page.replace(
    /<!-- (about|inputs|outputs) (\w+) -->[\s\S]*?<!-- end -->/g,
    (_all, kind: "about" | "inputs" | "outputs", name: string) => {
      const what = described.get(name);
      if (!what) throw new Error(`docs/resources.md names ${name}, which is not there`);
      const body = kind === "about" ? about(what) : table(what, kind);
      return `<!-- ${kind} ${name} -->\n${body}\n<!-- end -->`;
    },
  );
}

/** Everything that src/resources and src/components export. */
export function describeAll(root: string): Map<string, Described> {
  const files = [
    ...["ssh-key", "api-key", "server", "service", "model", "health-check"].map(
      (name) => `resources/${name}`,
    ),
    ...["gemini-proxy", "ollama-server", "vllm-server"].map((name) => `components/${name}`),
  ];
  return new Map(
    files.flatMap((file) => [...describe(readFileSync(join(root, "src", `${file}.ts`), "utf8"))]),
  );
}

function about({ text, examples }: Described): string {
  const code = examples.map((example) => `\`\`\`ts\n${example};\n\`\`\``.replace(/;;\n/, ";\n"));
  return [text, ...code].join("\n\n");
}

function table({ properties }: Described, kind: "inputs" | "outputs"): string {
  const cell = (text: string) => text.replaceAll("|", "\\|").replace(/\s+/g, " ");
  if (kind === "outputs") {
    const rows = properties.map(
      ({ name, type, text }) => `| \`${name}\` | \`${cell(type)}\` | ${cell(text)} |`,
    );
    return ["| output | type | |", "|---|---|---|", ...rows].join("\n");
  }
  const rows = properties.map(({ name, type, optional, text, ...rest }) => {
    const fallback = rest.default ?? (optional ? "none" : "required");
    return `| \`${name}\` | \`${cell(type)}\` | ${cell(fallback)} | ${cell(text)} |`;
  });
  return ["| input | type | default | |", "|---|---|---|---|", ...rows].join("\n");
}

function propertyOf(member: ts.Node): Property[] {
  if (!ts.isPropertySignature(member) && !ts.isPropertyDeclaration(member)) return [];
  if (!member.type || !ts.isIdentifier(member.name)) return [];
  const { text, fallback } = docOf(member);
  const type = unwrapped(member.type.getText());
  return [
    { name: member.name.text, type, default: fallback, optional: member.questionToken !== undefined, text },
  ];
}

function docOf(node: ts.Node): { text: string; fallback: string | undefined; examples: string[] } {
  const comments = ts.getLeadingCommentRanges(node.getSourceFile().text, node.getFullStart()) ?? [];
  const last = comments.at(-1);
  const raw = last ? node.getSourceFile().text.slice(last.pos, last.end) : "";
  if (!raw.startsWith("/**")) return { text: "", fallback: undefined, examples: [] };
  const words = raw
    .slice(3, -2)
    .replace(/^[ \t]*\*[ \t]?/gm, "")
    .trim();
  const [text = "", ...tags] = words.split(
    /\s+(?=@(?:default|example|throws|param)\b)|^(?=@(?:default|example|throws)\b)/,
  );
  const all = (tag: string) =>
    tags.flatMap((one) => (one.startsWith(`@${tag}`) ? [one.slice(tag.length + 1).trim()] : []));
  const starts = text.startsWith("@default") ? [text.slice(8).trim()] : [];
  const thrown = all("throws").map((one) => ` Fails with ${one}.`);
  const shown = starts.length > 0 ? "" : text;
  return {
    text: shown + thrown.join(""),
    fallback: [...starts, ...all("default")][0],
    examples: all("example"),
  };
}

/** From inside out, so that nesting does not matter. */
function unwrapped(type: string): string {
  const inner = type.replace(/pulumi\.(?:Input|Output)<((?:[^<>]|=>)*)>/g, "$1");
  if (inner !== type) return unwrapped(inner);
  const plain = type.replace(/(Record|Omit|readonly|Pick)<((?:[^<>])*)>/g, "$1‹$2›");
  return plain === type
    ? type.replaceAll("‹", "<").replaceAll("›", ">").replace(/\s+/g, " ")
    : unwrapped(plain);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const page = join(root, "docs", "resources.md");
  writeFileSync(page, fill(readFileSync(page, "utf8"), describeAll(root)));
}
