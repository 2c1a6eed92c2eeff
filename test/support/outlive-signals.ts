// A Ctrl-C reaches the whole process group. A worker that died of it could not clean up after its tests; the runner
// (tools/test.ts) ends it when it has.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
