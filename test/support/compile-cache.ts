import { tmpdir } from "node:os";
import { join } from "node:path";

/** For processes that are started again and again in a home of their own: without it much of a short run is compiling. */
export const compileCache = { NODE_COMPILE_CACHE: join(tmpdir(), "clore-compile-cache") };
