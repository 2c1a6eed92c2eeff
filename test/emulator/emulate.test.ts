import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { command } from "../../src/cli/emulate.ts";

/** Runs the command; `stop` is its Ctrl-C. */
function start(argv: string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const stop = new AbortController();
  const done = command.run(argv, {
    out: (line) => out.push(line),
    err: (line) => err.push(line),
    env: {},
    signal: stop.signal,
  });
  const firstLine = async () => {
    while (out.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    return out[0]!;
  };
  return { out, err, done, stop: () => stop.abort(), firstLine };
}

test("prints one JSON line to point a program at it, and the bill at the end", async () => {
  const emulate = start(["--machines", "sandbox", "--json", "--speed", "50"]);
  const { apiUrl, apiKey, geminiUrl } = JSON.parse(await emulate.firstLine());
  expect(apiKey).toHaveLength(32);
  expect((await fetch(`${geminiUrl}/image.png`)).status).toBe(200);
  const created = await fetch(`${apiUrl}/create_order`, {
    method: "POST",
    headers: { auth: apiKey },
    body: JSON.stringify({
      currency: "USD-Blockchain",
      image: "x",
      renting_server: 112576,
      type: "on-demand",
    }),
  });
  expect(await created.json()).toEqual({ code: 0 });
  emulate.stop();
  expect(await emulate.done).toBe(0);
  expect(emulate.out).toHaveLength(1);
  expect(emulate.err[0]).toMatch(/^1 order, 0\.00\d\d USD would have been billed; no machine is left\.$/);
  await expect(fetch(`${apiUrl}/marketplace`)).rejects.toThrow();
});

test("says in words how to use it, with the key of a file", async () => {
  const folder = await mkdtemp(join(tmpdir(), "clore-emulate-test-"));
  await writeFile(join(folder, "key"), "abc\n");
  const emulate = start(["--machines", "sandbox", "--api-key-file", join(folder, "key")]);
  await emulate.firstLine();
  emulate.stop();
  await emulate.done;
  expect(emulate.out.join("\n")).toMatch(
    /export CLORE_API_URL=http:\/\/127\.0\.0\.1:\d+\/v1 CLORE_API_KEY=abc\n/,
  );
  await rm(folder, { recursive: true });
});

test("names every mistake in its options at once", async () => {
  await expect(start(["--port", "x", "--machines", "vm", "--sped=2", "now"]).done).rejects.toMatchObject({
    code: "input.invalid",
    problems: [{ path: "--sped" }, { path: "now" }, { path: "--machines" }, { path: "--port" }],
  });
});

test("leaves no folder behind", async () => {
  const left = async () =>
    (await readdir(tmpdir())).filter((name) => name.startsWith(`clore-emulator-${process.pid}-`));
  const emulate = start(["--machines", "sandbox", "--json"]);
  await emulate.firstLine();
  expect(await left()).toHaveLength(1);
  emulate.stop();
  await emulate.done;
  expect(await left()).toEqual([]);
});
