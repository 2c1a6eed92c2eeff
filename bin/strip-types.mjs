// Lets Node run this package's TypeScript when the package lies in a node_modules folder, where Node refuses to.
import { readFileSync } from "node:fs";
import { registerHooks, stripTypeScriptTypes } from "node:module";
import { fileURLToPath } from "node:url";

const own = new URL("../", import.meta.url).href;

registerHooks({
  load(url, context, next) {
    if (!url.startsWith(own) || !/\.m?ts$/.test(url)) return next(url, context);
    const source = stripTypeScriptTypes(readFileSync(fileURLToPath(url), "utf8"), { sourceUrl: url });
    return { format: "module", source, shortCircuit: true };
  },
});
