import { globSync, readFileSync } from "node:fs";
import ts from "typescript";

/** What makes an error from a code, by the position of the code among the arguments. */
const makers = /^(CloreError|ProxyError|UnfinishedRental|errorOf)$/;

/** Codes that never leave the function that they are made in. */
const inner = new Set(["ssh.deadline"]);

/**
 * Every error code that can be seen, by the sources: what is given to an error as its code, and every other text that
 * looks like a code of the same family (codes go through tables, helpers and `until`).
 */
export function codesInSources(root: string): Set<string> {
  const literals: string[] = [];
  const codes = new Set<string>(["input.invalid"]); // given to the base class by InputError
  for (const file of globSync("{src/**/*,tools/start*,tools/{start,setup}/*}.ts", { cwd: root })) {
    const source = ts.createSourceFile(
      file,
      readFileSync(`${root}/${file}`, "utf8"),
      ts.ScriptTarget.Latest,
      true,
    );
    const visit = (node: ts.Node): void => {
      if (ts.isStringLiteralLike(node)) literals.push(node.text);
      const made = ts.isNewExpression(node) || ts.isCallExpression(node);
      if (made && ts.isIdentifier(node.expression) && makers.test(node.expression.text)) {
        for (const text of textsIn(node.arguments?.[0])) codes.add(text);
      }
      // What `until` is told to fail with.
      if (ts.isPropertyAssignment(node) && node.name.getText(source) === "code") {
        for (const text of textsIn(node.initializer)) if (text.includes(".")) codes.add(text);
      }
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
  const families = new Set([...codes].filter((code) => code.includes(".")).map((code) => code.split(".")[0]));
  for (const text of literals) {
    const family = /^([a-z]+)\.[a-z][a-z0-9]*(-[a-z0-9]+)*$/.exec(text)?.[1];
    if (
      family &&
      families.has(family) &&
      !/\.(ts|mjs|json|sh|yaml|log|pid|env|exit|sock|service|conf|gguf|node)$/.test(text)
    )
      codes.add(text);
  }
  return codes.difference(inner);
}

/** `"a.b"`, and both sides of `given ?? "a.b"`. */
function textsIn(node: ts.Node | undefined): string[] {
  if (!node) return [];
  if (ts.isStringLiteralLike(node)) return [node.text];
  return ts.isBinaryExpression(node) || ts.isConditionalExpression(node)
    ? node.getChildren().flatMap(textsIn)
    : [];
}
