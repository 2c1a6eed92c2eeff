import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { expect, test } from "vitest";
import { schema } from "../../stacks/gemini-proxy.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const pages = ["README.md", "docs/resources.md", "docs/architecture.md", "docs/errors.md"];

interface Snippet {
  where: string;
  code: string;
}

function snippetsOf(page: string): Snippet[] {
  const text = readFileSync(`${root}${page}`, "utf8");
  return [...text.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map((match) => ({
    where: `${page}:${text.slice(0, match.index).split("\n").length}`,
    code: match[1] ?? "",
  }));
}

/** What a one-line example takes for granted: the names of the page, and things made before. */
function asProgram({ code }: Snippet): string {
  if (/^import /m.test(code)) return code;
  const given = {
    server: "Server",
    key: "SshKey",
    ollama: "Service",
    url: "pulumi.Output<string>",
    config: "pulumi.Config",
  };
  const declared = Object.entries(given)
    .filter(([name]) => !new RegExp(`\\bconst ${name}\\b`).test(code))
    .map(([name, type]) => `declare const ${name}: ${type};`);
  return [
    'import * as pulumi from "@pulumi/pulumi";',
    'import { ApiKey, GeminiProxy, HealthCheck, Model, OllamaServer, Server, Service, SshKey, VllmServer } from "pulumi-clore";',
    ...declared,
    code,
  ].join("\n");
}

/** Type-checks all at once, as a user's project would. */
function complaints(snippets: readonly Snippet[]): string[] {
  const files = new Map(
    snippets.map((one, i) => [`${root}test/docs/snippet-${i}.ts`, { ...one, text: asProgram(one) }]),
  );
  const { config } = ts.readConfigFile(`${root}tsconfig.json`, ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(
    { compilerOptions: config.compilerOptions, files: [] },
    ts.sys,
    root,
  );
  const checked: ts.CompilerOptions = {
    ...options,
    noEmit: true,
    noUnusedLocals: false,
    paths: {
      "pulumi-clore": [`${root}src/index.ts`],
      "pulumi-clore/docker": [`${root}src/resources/docker-provider.ts`],
    },
  };
  const host = ts.createCompilerHost(checked);
  const { getSourceFile, fileExists, readFile } = host;
  host.fileExists = (path) => files.has(path) || fileExists(path);
  host.readFile = (path) => files.get(path)?.text ?? readFile(path);
  host.getSourceFile = (path, ...rest) => {
    const mine = files.get(path);
    return mine
      ? ts.createSourceFile(path, mine.text, ts.ScriptTarget.Latest, true)
      : getSourceFile(path, ...rest);
  };
  const program = ts.createProgram([...files.keys()], checked, host);
  return [...files].flatMap(([path, { where, code }]) => {
    const source = program.getSourceFile(path);
    return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(
      ({ messageText }) => `${where}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}\n${code}`,
    );
  });
}

test("TypeScript in README and docs is right, as a program that uses the package", {
  timeout: 120_000,
}, () => {
  const snippets = pages.flatMap(snippetsOf);
  expect(snippets.length).toBeGreaterThan(8);
  expect(complaints(snippets)).toEqual([]);
});

test("a wrong snippet is found", { timeout: 120_000 }, () => {
  const wrong = { where: "nowhere:1", code: 'new GeminiProxy("a", { upstreamKey: "k", maxPrise: 1 });' };
  expect(complaints([wrong]).join()).toContain("maxPrise");
});

test("shell snippets of README use scripts and options that there are", () => {
  const readme = readFileSync(`${root}README.md`, "utf8");
  const { scripts } = JSON.parse(readFileSync(`${root}package.json`, "utf8")) as {
    scripts: Record<string, string>;
  };
  const options = readFileSync(`${root}tools/start/options.ts`, "utf8");
  const commands = readFileSync(`${root}src/cli/main.ts`, "utf8");
  const shell = [...readme.matchAll(/`{1,3}(?:sh\n)?([^`]+)`{1,3}/g)]
    .map(([, code]) => code ?? "")
    .join("\n");
  for (const [, script] of shell.matchAll(/\bnpm run (?:--silent )?([\w:-]+)/g))
    expect(scripts).toHaveProperty([script ?? ""]);
  for (const [, option] of shell.matchAll(/\bnpm start -- (?:[\w-]+ )?--([a-z-]+)/g))
    expect(options).toContain(option);
  const named = [...shell.matchAll(/\bnpx clore ([a-z]+)/g)].map(([, name]) => name ?? "");
  expect(named.length).toBeGreaterThan(1);
  for (const name of named) expect(commands).toMatch(new RegExp(`\\b${name}\\b`));
});

test("config keys in README's table are those of the stack, none missing and none invented", () => {
  const readme = readFileSync(`${root}README.md`, "utf8");
  const [, section = ""] = /\| key \| meaning \| default \|\n([\s\S]*?)\n\n/.exec(readme) ?? [];
  const documented = section.split("\n").flatMap((row) => {
    const cell = row.split(" | ")[0] ?? "";
    return [...cell.matchAll(/`([\w:]+)`/g)].map(([, key]) => key ?? "");
  });
  expect(documented.filter((key) => !key.includes(":")).toSorted()).toEqual(
    Object.keys(schema.shape).toSorted(),
  );
});
