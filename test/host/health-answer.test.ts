import { existsSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { applyService, observeService, planService, type ServiceSpec } from "../../src/host/service.ts";
import { freePort } from "../support/sshd.ts";
import { startHost } from "./support.ts";

/** Answers 503 with a reason in several lines, with escapes that a careless shell would print; /healthz is well. */
function web(port: number, path: string): ServiceSpec {
  const program = `
    require("node:http").createServer((q, r) => {
      if (q.url === "/healthz") return r.end("ok");
      r.writeHead(503).end(JSON.stringify({ error: "the key\\r\\nwas refused" }, null, 1));
    }).listen(${port}, "127.0.0.1");
  `;
  return {
    name: "web",
    command: [process.execPath, "server.cjs"],
    files: [{ path: "server.cjs", content: program, mode: 0o600 }],
    stopTimeoutSeconds: 1,
    health: { http: { port, path }, timeoutSeconds: 2 },
  };
}

const bins = mkdtempSync(join(tmpdir(), "clore-bins-"));
afterAll(() => rmSync(bins, { recursive: true, force: true }));

const basic =
  "sh cat sed tr grep tail head cut df readlink ln rm mv mkdir date sleep wc ls sha256sum stat dd id chmod dirname setsid kill cp";
const found = (tool: string) =>
  ["/usr/bin", "/bin", "/usr/local/bin"].map((folder) => join(folder, tool)).find(existsSync);

const reason = /HTTP 503: \{ +"error": "the key\\r\\nwas refused" +\}/;

describe("why a service is not ready is in the error, whatever the host asks with", () => {
  test.each([
    { tool: "curl", reason },
    { tool: "python3", reason },
    { tool: "wget", reason: /503/ },
    { tool: "nothing", reason },
  ])("$tool", async ({ tool, reason }) => {
    const bin = mkdtempSync(join(bins, "bin-"));
    const tools = tool === "nothing" || !found(tool) ? basic.split(" ") : [...basic.split(" "), tool];
    for (const name of tools) symlinkSync(found(name) ?? "/nowhere", join(bin, name));
    await using host = await startHost({ PATH: bin });
    const ensure = async (spec: ServiceSpec) =>
      applyService(host.ssh, planService(spec, await observeService(host.ssh, spec.name), "own"));
    const port = await freePort();
    await expect(ensure(web(port, "/readyz"))).rejects.toMatchObject({
      code: "host.service-unhealthy",
      seen: expect.stringMatching(reason),
    });
    expect(await ensure(web(port, "/healthz"))).toMatchObject({ running: true });
  });
});
