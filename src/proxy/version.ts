declare const __PROXY_VERSION__: string | undefined;

/** Package version and hash of the bundled sources, put in by tools/bundle.ts; `dev` when run from source. */
export const proxyVersion = typeof __PROXY_VERSION__ === "undefined" ? "dev" : __PROXY_VERSION__;
