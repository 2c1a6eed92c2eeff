import { readFileSync } from "node:fs";
import { delimiter, isAbsolute } from "node:path";
import { fileURLToPath } from "node:url";
import { isNode, LineCounter, parseDocument } from "yaml";
import { CloreError } from "../core/errors.ts";
import { gpuKey } from "./gpus.ts";
import { type Catalog, catalogFile } from "./schema.ts";

/** Read once a process: every check of an input asks for them, and reading takes 20 ms. */
let builtIn: Catalog | undefined;
let configured: { files: string; catalog: Catalog } | undefined;

/**
 * The catalog that program, plugin and command line all go by: the built-in one, and on top the files that
 * `CLORE_CATALOG` names (docs/catalog.md), whole paths with `:` between (`;` on Windows).
 * @throws what `loadCatalog` throws; catalog.unreadable for a path that is not whole: the program, the plugin and the
 * command line run in different folders
 */
export function configuredCatalog(env: Readonly<Record<string, string | undefined>> = process.env): Catalog {
  const files = env.CLORE_CATALOG ?? "";
  if (configured?.files !== files) {
    const paths = files.split(delimiter).filter((path) => path !== "");
    for (const path of paths) requireWhole(path);
    configured = { files, catalog: loadCatalog(paths) };
  }
  return configured.catalog;
}

/**
 * The built-in catalog with the user's files on top: an entry of the same GPU, tag, or (for prices) GPU and count
 * replaces the built-in one. Files may hold any of the sections `gpus`, `models`, `prices`, `tagsWithoutFigures`.
 * The result is shared between callers: not to be changed.
 * @param base what the files go on top of, instead of the built-in catalog
 * @throws catalog.unreadable when a file cannot be read; catalog.invalid with every mistake as file:line:column
 * @example loadCatalog(["./my-models.yaml"])
 */
export function loadCatalog(userFiles: readonly string[] = [], base?: Catalog): Catalog {
  builtIn ??= ["gpus.yaml", "models.yaml", "prices.yaml"]
    .map((name) => fileURLToPath(new URL(name, import.meta.url)))
    .map(readCatalog)
    .reduce(mergeCatalogs);
  return userFiles.map(readCatalog).reduce(mergeCatalogs, base ?? builtIn);
}

const readCatalog = (path: string) => parseCatalog(readText(path), path);

/**
 * One file's text, checked.
 * @param path only for messages
 * @throws catalog.invalid with every mistake as path:line:column
 */
export function parseCatalog(text: string, path: string): Catalog {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, schema: "core" });
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${path}:${line}:${col}`;
  };
  if (document.errors.length > 0) {
    throw invalid(document.errors.map((error) => `${at(error.pos[0])} ${error.message.split("\n")[0]}`));
  }
  const result = catalogFile.safeParse(document.toJS() ?? {});
  if (result.success) return result.data;
  throw invalid(
    result.error.issues.map((issue) => {
      const where = issue.path.map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`));
      return `${at(offsetOf(document, issue.path))} ${where.join("").replace(/^\./, "")}: ${issue.message}`;
    }),
  );
}

function mergeCatalogs(base: Catalog, over: Catalog): Catalog {
  return {
    gpus: replaceBy(base.gpus, over.gpus, (gpu) => gpuKey(gpu.name)),
    models: replaceBy(base.models, over.models, (model) => model.tag),
    tagsWithoutFigures: [...base.tagsWithoutFigures, ...over.tagsWithoutFigures],
    prices: {
      rents: replaceBy(
        base.prices.rents,
        over.prices.rents,
        (rent) => `${gpuKey(rent.gpu)} ${rent.gpuCount}`,
      ),
      guide: replaceBy(base.prices.guide, over.prices.guide, (price) => gpuKey(price.gpu)),
    },
  };
}

function replaceBy<T>(base: readonly T[], over: readonly T[], key: (item: T) => string): T[] {
  return [...new Map([...base, ...over].map((item) => [key(item), item])).values()];
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new CloreError("catalog.unreadable", {
      message: `the catalog file ${path} cannot be read`,
      seen: cause instanceof Error ? cause.message : String(cause),
      hint: "check the path",
      cause,
    });
  }
}

function requireWhole(path: string): void {
  if (isAbsolute(path)) return;
  throw new CloreError("catalog.unreadable", {
    message: `CLORE_CATALOG names "${path}", which is not a whole path`,
    hint: `write it from the root on, as in ${process.cwd()}/${path}: what reads it runs in different folders`,
  });
}

/** Where the nearest thing that exists on the way to `path` stands: a missing key is shown at its parent. */
function offsetOf(document: ReturnType<typeof parseDocument>, path: readonly PropertyKey[]): number {
  for (let length = path.length; length >= 0; length--) {
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return 0;
}

function invalid(problems: readonly string[]): CloreError {
  return new CloreError("catalog.invalid", {
    message: problems.join("\n"),
    hint: "mend the catalog file at the named lines",
  });
}
